//! `GET /api/v1/settings`

use crate::{http::problem::ApiError, state::AppState};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::Settings;

/// The server's settings.
pub async fn read(State(state): State<AppState>) -> Result<Json<Settings>, ApiError> {
    Ok(Json(state.services.settings().await?))
}
