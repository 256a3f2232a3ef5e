//! `POST /api/v1/projects/{id}/generations`

use crate::{
    http::{
        extract::{IdPath, Json},
        problem::ApiError,
    },
    state::AppState,
};
use app::services::Services;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use protocol::{Accepted, NewGeneration, Problem, ProjectId};

/// Queues a generation: 202 with its tasks. An `Idempotency-Key` header makes a repeated request answer the
/// same tasks.
pub async fn create(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
    headers: HeaderMap,
    Json(new): Json<NewGeneration>,
) -> Result<(StatusCode, axum::Json<Accepted>), ApiError> {
    let key = headers.get("idempotency-key").map(|value| value.to_str().map(str::to_owned)).transpose();
    let key = key.map_err(|_| Problem::invalid("Idempotency-Key", "must be ASCII text"))?;
    Ok((StatusCode::ACCEPTED, axum::Json(state.services.generate(id, new, key).await?)))
}
