//! `DELETE /api/v1/takes/{id}`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{extract::State, http::StatusCode};
use protocol::TakeId;

/// Deletes a take and its picture for good: 204.
pub async fn delete(State(state): State<AppState>, IdPath(id): IdPath<TakeId>) -> Result<StatusCode, ApiError> {
    state.services.delete_take(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
