//! `GET /api/v1/models`

use crate::{http::problem::ApiError, state::AppState};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::Model;

/// The models that can be chosen, the default first.
pub async fn list(State(state): State<AppState>) -> Result<Json<Vec<Model>>, ApiError> {
    Ok(Json(state.services.models().await?))
}
