//! `/api/v1/projects/{id}/generations`

use super::{
    extract::{IdPath, IdempotencyKey, Json},
    openapi::{About, Api},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{extract::State, http::StatusCode};
use protocol::{Accepted, NewGeneration, ProjectId};
use studio::Services;

/// The route with its summary.
pub fn routes(api: Api) -> Api {
    api.post(
        "/projects/{id}/generations",
        create_generation,
        About::new("generations", "Queues a generation: new takes of a frame, or of a new frame.")
            .status(202)
            .fails(&[409]),
    )
}

async fn create_generation(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
    IdempotencyKey(key): IdempotencyKey,
    Json(new): Json<NewGeneration>,
) -> Result<(StatusCode, axum::Json<Accepted>), ApiError> {
    Ok((StatusCode::ACCEPTED, axum::Json(state.services.create_generation(id, new, key).await?)))
}
