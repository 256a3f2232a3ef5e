//! `PATCH /api/v1/settings`

use crate::{
    http::{extract::Json, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::extract::State;
use protocol::{Settings, SettingsPatch};

/// Changes the fields that the body names.
pub async fn update(
    State(state): State<AppState>,
    Json(patch): Json<SettingsPatch>,
) -> Result<axum::Json<Settings>, ApiError> {
    Ok(axum::Json(state.services.update_settings(patch).await?))
}
