//! `GET /api/v1/tasks?status=&project_id=&limit=&after=`

use crate::{
    http::{
        extract::Query,
        listed::{Listed, Part},
        problem::ApiError,
    },
    state::AppState,
};
use axum::extract::State;
use protocol::{Problem, ProjectId, Task, TaskId, TaskStatus};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which tasks are listed.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Filter {
    /// Only those of this status: queued, running, completed, failed or cancelled.
    #[schemars(extend("enum" = ["", "queued", "running", "completed", "failed", "cancelled"]))]
    status: Option<String>,
    /// Only those of this project.
    #[schemars(with = "Option<i64>", extend("type" = ["integer", "string"], "maxLength" = 0))]
    project_id: Option<String>,
}

/// Tasks, newest first, a thousand at most. An empty filter is none.
pub async fn list(
    State(state): State<AppState>,
    Query(filter): Query<Filter>,
    part: Part,
) -> Result<Listed<Task>, ApiError> {
    let given = |value: Option<String>| value.filter(|value| !value.is_empty());
    let status = given(filter.status).map(|name| TaskStatus::from_name(&name).ok_or_else(bad_status)).transpose()?;
    let project = given(filter.project_id).map(|id| id.parse::<ProjectId>().map_err(|_| bad_project())).transpose()?;
    let part = part.or_most();
    let after = part.after_id()?.map(TaskId);
    let tasks = state.services.list_tasks(status, project, after, part.wanted()).await?;
    Ok(part.of(tasks, |task| task.id.to_string()))
}

fn bad_status() -> Problem {
    let names = TaskStatus::ALL.map(TaskStatus::as_str).join(", ");
    Problem::invalid("status", format!("must be one of {names}"))
}

fn bad_project() -> Problem {
    Problem::invalid("project_id", "must be an id, a whole number")
}
