//! `/api/v1/settings`

use super::{
    extract::Json,
    openapi::{About, Api},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::extract::State;
use protocol::{Settings, SettingsPatch};
use studio::Services;

/// The routes with their summaries.
pub fn routes(api: Api) -> Api {
    let about = |summary| About::new("server", summary);
    api.get("/settings", get_settings, about("Returns the server's settings.")).patch(
        "/settings",
        update_settings,
        about("Changes the given settings."),
    )
}

async fn get_settings(State(state): State<AppState>) -> Result<axum::Json<Settings>, ApiError> {
    Ok(axum::Json(state.services.get_settings().await?))
}

async fn update_settings(
    State(state): State<AppState>,
    Json(patch): Json<SettingsPatch>,
) -> Result<axum::Json<Settings>, ApiError> {
    Ok(axum::Json(state.services.update_settings(patch).await?))
}
