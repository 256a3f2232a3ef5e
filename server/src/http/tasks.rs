//! `/api/v1/tasks`

use super::{
    extract::{IdPath, Json as JsonBody, Query},
    listed::{Listed, Part},
    openapi::{About, Api},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{Json, extract::State};
use protocol::{Problem, ProjectId, Task, TaskId, TaskPatch, TaskStatus};
use schemars::JsonSchema;
use serde::Deserialize;
use studio::{Services, TaskQuery};

/// The routes with their summaries.
pub fn routes(api: Api) -> Api {
    let about = |summary| About::new("tasks", summary);
    api.get("/tasks", list_tasks, about("Lists tasks, newest first, at most a thousand."))
        .get("/tasks/{id}", get_task, about("Returns a task."))
        .patch(
            "/tasks/{id}",
            update_task,
            about("Changes a queued, running or paused task; a running one before its next step.").fails(&[409]),
        )
        .post(
            "/tasks/{id}/cancel",
            cancel_task,
            about("Cancels a queued, running or paused task and removes its files.").fails(&[409]),
        )
        .post(
            "/tasks/{id}/pause",
            pause_task,
            about("Pauses a queued or running task; a running one stops before its next step.").fails(&[409]),
        )
        .post(
            "/tasks/{id}/resume",
            resume_task,
            about(
                "Queues a paused task at its old place; it goes on after the steps that are done, and does not pause at `pause_at` \
                 any more, as also a queued or running task.",
            )
            .fails(&[409]),
        )
        .post(
            "/tasks/{id}/keep",
            keep_task,
            about("Stops a running or paused task and keeps its current estimate as the picture.").fails(&[409]),
        )
        .post("/tasks/{id}/retry", retry_task, about("Queues a failed or cancelled task again.").fails(&[409]))
}

/// Query of [`list_tasks`]. An empty value means that the filter is not set.
#[derive(Debug, Deserialize, JsonSchema)]
struct Filter {
    /// Only tasks of this status: queued, running, paused, completed, failed or cancelled.
    #[schemars(extend("enum" = ["", "queued", "running", "paused", "completed", "failed", "cancelled"]))]
    status: Option<String>,
    /// Only tasks of this project.
    #[schemars(with = "Option<i64>", extend("type" = ["integer", "string"], "maxLength" = 0))]
    project_id: Option<String>,
}

async fn list_tasks(
    State(state): State<AppState>,
    Query(filter): Query<Filter>,
    part: Part,
) -> Result<Listed<Task>, ApiError> {
    let given = |value: Option<String>| value.filter(|value| !value.is_empty());
    let status = given(filter.status).map(|name| TaskStatus::from_name(&name).ok_or_else(bad_status)).transpose()?;
    let project_id = given(filter.project_id).map(|id| id.parse::<ProjectId>().map_err(|_| bad_project()));
    let part = part.or_most();
    let (project_id, after) = (project_id.transpose()?, part.after_id()?.map(TaskId));
    let query = TaskQuery { status, project_id, after, limit: part.wanted() };
    let tasks = state.services.list_tasks(query).await?;
    Ok(part.of(tasks, |task| task.id.to_string()))
}

fn bad_status() -> Problem {
    let names = TaskStatus::ALL.map(TaskStatus::as_str).join(", ");
    Problem::invalid("status", format!("must be one of {names}"))
}

fn bad_project() -> Problem {
    Problem::invalid("project_id", "must be an id, a whole number")
}

async fn get_task(State(state): State<AppState>, IdPath(id): IdPath<TaskId>) -> Result<Json<Task>, ApiError> {
    Ok(Json(state.services.get_task(id).await?))
}

async fn update_task(
    State(state): State<AppState>,
    IdPath(id): IdPath<TaskId>,
    JsonBody(patch): JsonBody<TaskPatch>,
) -> Result<Json<Task>, ApiError> {
    Ok(Json(state.services.update_task(id, patch).await?))
}

async fn cancel_task(State(state): State<AppState>, IdPath(id): IdPath<TaskId>) -> Result<Json<Task>, ApiError> {
    Ok(Json(state.services.cancel_task(id).await?))
}

async fn pause_task(State(state): State<AppState>, IdPath(id): IdPath<TaskId>) -> Result<Json<Task>, ApiError> {
    Ok(Json(state.services.pause_task(id).await?))
}

async fn resume_task(State(state): State<AppState>, IdPath(id): IdPath<TaskId>) -> Result<Json<Task>, ApiError> {
    Ok(Json(state.services.resume_task(id).await?))
}

async fn keep_task(State(state): State<AppState>, IdPath(id): IdPath<TaskId>) -> Result<Json<Task>, ApiError> {
    Ok(Json(state.services.keep_task(id).await?))
}

async fn retry_task(State(state): State<AppState>, IdPath(id): IdPath<TaskId>) -> Result<Json<Task>, ApiError> {
    Ok(Json(state.services.retry_task(id).await?))
}
