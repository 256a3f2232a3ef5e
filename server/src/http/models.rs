//! `/api/v1/models`, `/api/v1/samplers` and `/api/v1/schedulers`: what a generation can be asked for.

use super::openapi::{About, Api};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{Json, extract::State};
use protocol::Model;
use studio::Services;

/// The routes with their summaries.
pub fn routes(api: Api) -> Api {
    let about = |summary| About::new("server", summary);
    api.get(
        "/models",
        list_models,
        about(
            "Lists the models that can be chosen, the default first. Its entry also lists the files that cannot be used.",
        ),
    )
    .get("/samplers", list_samplers, about("Lists samplers, by ComfyUI's names."))
    .get(
        "/schedulers",
        list_schedulers,
        about("Lists noise schedules, by ComfyUI's names, with diffusers' leading, linspace and trailing."),
    )
}

async fn list_models(State(state): State<AppState>) -> Result<Json<Vec<Model>>, ApiError> {
    Ok(Json(state.services.list_models().await?))
}

async fn list_samplers() -> Json<Vec<&'static str>> {
    Json(protocol::Sampler::NAMES.to_vec())
}

async fn list_schedulers() -> Json<Vec<&'static str>> {
    Json(protocol::Schedule::NAMES.to_vec())
}
