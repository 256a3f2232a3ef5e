//! `/api/v1/frames/{id}/takes` and `/api/v1/takes`

use super::{
    extract::{IdPath, IdempotencyKey, Json as JsonBody},
    listed::{Listed, Part},
    openapi::{About, Api},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{Json, extract::State, http::StatusCode};
use protocol::{Accepted, Frame, FrameId, NewBranch, Take, TakeId, TakePatch, TakeTrace};
use studio::Services;

/// The routes with their summaries.
pub fn routes(api: Api) -> Api {
    let about = |summary| About::new("takes", summary);
    api.get("/frames/{id}/takes", list_takes, about("Lists a frame's takes, newest first."))
        .patch("/takes/{id}", update_take, about("Changes a take: whether its trace is pinned."))
        .delete(
            "/takes/{id}",
            delete_take,
            about("Deletes a take. It can be restored for thirty days.").status(204).fails(&[409]),
        )
        .post("/takes/{id}/restore", restore_take, about("Restores a deleted take. Returns its frame.").fails(&[409]))
        .get(
            "/takes/{id}/trace",
            get_trace,
            about("Returns the steps that are kept of how a take formed.").fails(&[409]),
        )
        .post(
            "/takes/{id}/branch",
            branch_take,
            about("Queues a take of the same frame that shares the first steps of this one.").status(202).fails(&[409]),
        )
}

async fn list_takes(
    State(state): State<AppState>,
    IdPath(id): IdPath<FrameId>,
    part: Part,
) -> Result<Listed<Take>, ApiError> {
    let mut takes = state.services.list_takes(id).await?;
    if let Some(after) = part.after_id()? {
        takes.retain(|take| take.id.0 < after);
    }
    Ok(part.of(takes, |take| take.id.to_string()))
}

async fn update_take(
    State(state): State<AppState>,
    IdPath(id): IdPath<TakeId>,
    JsonBody(patch): JsonBody<TakePatch>,
) -> Result<Json<Take>, ApiError> {
    Ok(Json(state.services.update_take(id, patch).await?))
}

async fn get_trace(State(state): State<AppState>, IdPath(id): IdPath<TakeId>) -> Result<Json<TakeTrace>, ApiError> {
    Ok(Json(state.services.get_trace(id).await?))
}

async fn branch_take(
    State(state): State<AppState>,
    IdPath(id): IdPath<TakeId>,
    IdempotencyKey(key): IdempotencyKey,
    JsonBody(new): JsonBody<NewBranch>,
) -> Result<(StatusCode, Json<Accepted>), ApiError> {
    Ok((StatusCode::ACCEPTED, Json(state.services.branch_take(id, new, key).await?)))
}

async fn delete_take(State(state): State<AppState>, IdPath(id): IdPath<TakeId>) -> Result<StatusCode, ApiError> {
    state.services.delete_take(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn restore_take(State(state): State<AppState>, IdPath(id): IdPath<TakeId>) -> Result<Json<Frame>, ApiError> {
    Ok(Json(state.services.restore_take(id).await?))
}
