//! `/api/v1/projects/{id}/generations`

use super::{
    extract::{IdPath, Json},
    openapi::{About, Api},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use protocol::{Accepted, NewGeneration, Problem, ProjectId};
use serde_json::{Value, json};
use studio::Services;

/// The route with its summary.
pub fn routes(api: Api) -> Api {
    api.post(
        "/projects/{id}/generations",
        create_generation,
        About::new("generations", "Queues a generation: new takes of a frame, or of a new frame.")
            .status(202)
            .fails(&[409])
            .header(
                "Idempotency-Key",
                "Idempotency key: repeating a request with the same key returns the tasks of the first one.",
                idempotency_key_schema,
            ),
    )
}

async fn create_generation(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
    headers: HeaderMap,
    Json(new): Json<NewGeneration>,
) -> Result<(StatusCode, axum::Json<Accepted>), ApiError> {
    let key = headers.get("idempotency-key").map(|value| value.to_str().map(str::to_owned)).transpose();
    let key = key.map_err(|_| Problem::invalid("Idempotency-Key", "must be ASCII text"))?;
    Ok((StatusCode::ACCEPTED, axum::Json(state.services.create_generation(id, new, key).await?)))
}

fn idempotency_key_schema() -> Value {
    json!({"type": "string", "pattern": "^[!-~]{1,255}$"})
}
