//! `/api/v1/workers`: the servers and workers that share the database.

use super::{
    extract::IdPath,
    openapi::{About, Api},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{Json, extract::State};
use protocol::{Worker, WorkerId};
use studio::Services;

/// The routes with their summaries.
pub fn routes(api: Api) -> Api {
    let about = |summary| About::new("workers", summary);
    api.get("/workers", list_workers, about("Lists the servers and workers that share the database; none on SQLite."))
        .post("/workers/{id}/drain", drain_worker, about("Lets a worker finish its pictures and start no others."))
        .post("/workers/{id}/resume", resume_worker, about("Lets a worker start pictures again."))
}

async fn list_workers(State(state): State<AppState>) -> Result<Json<Vec<Worker>>, ApiError> {
    Ok(Json(state.services.list_workers().await?))
}

async fn drain_worker(State(state): State<AppState>, IdPath(id): IdPath<WorkerId>) -> Result<Json<Worker>, ApiError> {
    Ok(Json(state.services.drain_worker(id).await?))
}

async fn resume_worker(State(state): State<AppState>, IdPath(id): IdPath<WorkerId>) -> Result<Json<Worker>, ApiError> {
    Ok(Json(state.services.resume_worker(id).await?))
}
