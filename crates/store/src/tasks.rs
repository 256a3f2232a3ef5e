//! Tasks: list and read. [`crate::creation`] creates them, [`crate::claims`] and [`crate::lifecycle`] run and end
//! them, [`crate::queue`] orders them.

use crate::clock::rfc3339_from_ms;
use crate::not_found::no_task;
use crate::rows::{TaskRow, from_column};
use crate::schema::{frames, projects, takes, tasks};
use crate::transaction::{on_connections, read};
use crate::unreadable::readable;
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::generation::limits::QUEUED_TASKS;
use protocol::{FrameId, Parameters, ProjectId, TakeId, Task, TaskId, TaskStatus, media_path};

/// The most tasks that one list returns.
const LISTED: i64 = 1000;

/// Filter for a list of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Only tasks of this status.
    pub status: Option<TaskStatus>,
    /// Only tasks of this project.
    pub project_id: Option<ProjectId>,
}

/// A task's take: id, key, the step at which it was finished.
pub(crate) type TakeOfTask = Option<(i64, String, Option<i32>)>;

/// A task's row and its take.
pub(crate) type FullRow = (TaskRow, TakeOfTask);

/// All tasks, joined to their frames and projects for filters.
macro_rules! joined_tasks {
    () => {
        tasks::table
            .inner_join(frames::table.on(frames::id.eq(tasks::frame_id)))
            .inner_join(projects::table.on(projects::id.eq(tasks::project_id)))
    };
}
pub(crate) use joined_tasks;

/// `joined_tasks!` with the takes; selects a [`FullRow`].
macro_rules! full_tasks {
    () => {
        $crate::tasks::joined_tasks!()
            .left_join(takes::table.on(takes::task_id.eq(tasks::id).and(takes::deleted_at.is_null())))
            .select(($crate::rows::TaskRow::as_select(), (takes::id, takes::key, takes::finished_step).nullable()))
    };
}
pub(crate) use full_tasks;

/// A condition on `joined_tasks!`: the task is queued, not paused, and neither its frame nor its project is deleted.
macro_rules! is_waiting {
    () => {
        $crate::tasks::is_open_but_not_running!().and(tasks::paused.eq(false))
    };
}
pub(crate) use is_waiting;

/// As `is_waiting!`, for a paused task.
macro_rules! is_paused {
    () => {
        $crate::tasks::is_open_but_not_running!().and(tasks::paused.eq(true))
    };
}
pub(crate) use is_paused;

/// A condition on `joined_tasks!`: the task is queued or paused, and neither its frame nor its project is deleted.
macro_rules! is_open_but_not_running {
    () => {
        tasks::status
            .eq(protocol::TaskStatus::Queued.as_str())
            .and(frames::deleted_at.is_null())
            .and(projects::deleted_at.is_null())
    };
}
pub(crate) use is_open_but_not_running;

on_connections! {
    trait TaskQueries;

    /// A task's row, even if its frame or project is deleted.
    async fn task_with_take(conn: Db, id: i64) -> Result<FullRow, StoreError> {
        let row: Option<FullRow> = full_tasks!().filter(tasks::id.eq(id)).first(conn).await.optional()?;
        row.ok_or_else(|| no_task(TaskId(id)))
    }

    /// A task as clients see it.
    async fn task_shown(conn: Db, id: i64) -> Result<Task, StoreError> {
        task_from_row(conn.task_with_take(id).await?)
    }

    /// The queue position after every task, running ones included: those may be queued again, and keep their place.
    async fn end_of_queue(conn: Db) -> Result<i64, StoreError> {
        let last: Option<i64> = tasks::table.select(diesel::dsl::max(tasks::queue_order)).first(conn).await?;
        Ok(last.unwrap_or_default().saturating_add(1))
    }

    /// `QueueFull` when the queue has no room for `more` tasks. Paused tasks keep their room, so that resuming one never
    /// fails. Two processes at the same moment may exceed the limit by
    /// one request.
    async fn assert_room(conn: Db, more: usize) -> Result<(), StoreError> {
        let waiting: i64 = tasks::table
            .inner_join(frames::table.on(frames::id.eq(tasks::frame_id)))
            .inner_join(projects::table.on(projects::id.eq(tasks::project_id)))
            .filter(is_open_but_not_running!())
            .count()
            .get_result(conn)
            .await?;
        let waiting = usize::try_from(waiting).unwrap_or(usize::MAX);
        if waiting.saturating_add(more) > QUEUED_TASKS {
            return Err(StoreError::QueueFull { limit: QUEUED_TASKS });
        }
        Ok(())
    }

    /// The error for a task whose status is not `needed`: `Conflict`, or `NotFound` when there is no such task.
    async fn wrong_status(conn: Db, id: TaskId, needed: String) -> Result<StoreError, StoreError> {
        let of_task = tasks::table.find(id.0).select((tasks::status, tasks::attempt, tasks::paused));
        let found: Option<(String, i32, bool)> = of_task.first(conn).await.optional()?;
        Ok(match found {
            Some((status, attempt, paused)) => {
                let status = if paused { TaskStatus::Paused.as_str().to_owned() } else { status };
                let attempt = if status == TaskStatus::Running.as_str() {
                    format!(" (attempt {attempt})")
                } else {
                    String::new()
                };
                StoreError::Conflict { why: format!("task {id} is {status}{attempt}, not {needed}") }
            }
            None => no_task(id),
        })
    }
}

impl Store {
    /// Tasks of live projects, newest first, at most 1000.
    pub async fn first_tasks(&self, filter: TaskFilter) -> Result<Vec<Task>, StoreError> {
        self.list_tasks(filter, None, LISTED).await
    }

    /// One page of [`Store::tasks`]: at most `most` tasks with ids below `before`. A page is shorter only at the end of the
    /// list, even where unreadable rows are skipped: clients take a short page for the last one.
    pub async fn list_tasks(
        &self,
        filter: TaskFilter,
        before: Option<TaskId>,
        most: i64,
    ) -> Result<Vec<Task>, StoreError> {
        let (mut listed, mut before) = (Vec::new(), before);
        loop {
            let missing = most.saturating_sub(i64::try_from(listed.len()).unwrap_or(i64::MAX));
            let (ids, rows) = self.page_of_tasks(filter, before, missing).await?;
            listed.extend(tasks_from_rows(rows)?);
            let is_last = i64::try_from(ids.len()).is_ok_and(|found| found < missing);
            let Some(last) = ids.last().filter(|_| !is_last) else { return Ok(listed) };
            if i64::try_from(listed.len()).is_ok_and(|found| found >= most) {
                return Ok(listed);
            }
            before = Some(TaskId(*last));
        }
    }

    /// The ids of at most `most` tasks, and the rows that can be decoded.
    async fn page_of_tasks(
        &self,
        filter: TaskFilter,
        before: Option<TaskId>,
        most: i64,
    ) -> Result<(Vec<i64>, Vec<FullRow>), StoreError> {
        read!(self, |conn| {
            let live = projects::deleted_at.is_null();
            let mut all = full_tasks!().filter(live).order(tasks::id.desc()).limit(most).into_boxed();
            let ids = joined_tasks!().select(tasks::id);
            let mut ids = ids.filter(live).order(tasks::id.desc()).limit(most).into_boxed();
            if let Some(status) = filter.status {
                let paused = status == TaskStatus::Paused;
                let stored = if paused { TaskStatus::Queued } else { status }.as_str();
                all = all.filter(tasks::status.eq(stored).and(tasks::paused.eq(paused)));
                ids = ids.filter(tasks::status.eq(stored).and(tasks::paused.eq(paused)));
            }
            if let Some(project) = filter.project_id {
                all = all.filter(tasks::project_id.eq(project.0));
                ids = ids.filter(tasks::project_id.eq(project.0));
            }
            if let Some(before) = before {
                all = all.filter(tasks::id.lt(before.0));
                ids = ids.filter(tasks::id.lt(before.0));
            }
            let ids: Vec<i64> = ids.load(conn).await?;
            let rows = match all.load(conn).await {
                Err(diesel::result::Error::DeserializationError(_)) => {
                    let mut rows = Vec::with_capacity(ids.len());
                    for id in &ids {
                        let one = full_tasks!().filter(tasks::id.eq(*id)).first(conn).await.map_err(StoreError::from);
                        rows.extend(readable("tasks", *id, one)?);
                    }
                    rows
                }
                loaded => loaded?,
            };
            Ok((ids, rows))
        })
    }

    /// One task. While it runs, `step` is the saved one and `eta_ms` none here; the engine knows the current values.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it does not exist, or its project is deleted.
    pub async fn get_task(&self, id: TaskId) -> Result<Task, StoreError> {
        let row: Option<FullRow> = read!(self, |conn| {
            let live = full_tasks!().filter(tasks::id.eq(id.0)).filter(projects::deleted_at.is_null());
            Ok(live.first(conn).await.optional()?)
        })?;
        task_from_row(row.ok_or_else(|| no_task(id))?)
    }
}

/// The tasks of the rows that can be read; the others are reported.
pub(crate) fn tasks_from_rows(rows: Vec<FullRow>) -> Result<Vec<Task>, StoreError> {
    let mut tasks = Vec::with_capacity(rows.len());
    for row in rows {
        tasks.extend(readable("tasks", row.0.id, task_from_row(row))?);
    }
    Ok(tasks)
}

/// The status in the column. It is never `paused`: such a task is `queued`, with the flag.
pub(crate) fn status_from_text(text: &str) -> Result<TaskStatus, StoreError> {
    let stored = TaskStatus::from_name(text).filter(|status| *status != TaskStatus::Paused);
    stored.ok_or_else(|| StoreError::Corrupt { column: "tasks.status", value: text.to_owned() })
}

/// The status as clients see it.
pub(crate) fn status_from_row(row: &TaskRow) -> Result<TaskStatus, StoreError> {
    if row.paused { Ok(TaskStatus::Paused) } else { status_from_text(&row.status) }
}

pub(crate) fn parameters_from_text(text: &str) -> Result<Parameters, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt { column: "tasks.parameters", value: text.to_owned() })
}

pub(crate) fn seed_from_row(seed: i64) -> Result<u64, StoreError> {
    u64::try_from(seed).map_err(|_| StoreError::Corrupt { column: "tasks.seed", value: seed.to_string() })
}

pub(crate) fn task_from_row((row, take): FullRow) -> Result<Task, StoreError> {
    let status = status_from_row(&row)?;
    let parameters = parameters_from_text(&row.parameters)?;
    let time = |column, ms: Option<i64>| ms.map(|ms| rfc3339_from_ms(column, ms)).transpose();
    let (take_id, key, finished_step) = match take {
        Some((id, key, step)) => (Some(TakeId(id)), Some(key), step),
        None => (None, None, None),
    };
    let step = match (status, finished_step) {
        (_, Some(step)) => from_column("takes.finished_step", step)?,
        // The take, and with it the step at which it was kept, is deleted.
        (TaskStatus::Completed, None) => parameters.steps,
        (TaskStatus::Queued | TaskStatus::Running | TaskStatus::Paused, None) => {
            from_column("tasks.done_steps", row.done_steps)?
        }
        _ => 0,
    };
    Ok(Task {
        worker: None,
        id: TaskId(row.id),
        project_id: ProjectId(row.project_id),
        frame_id: FrameId(row.frame_id),
        take_id,
        status,
        attempt: from_column("tasks.attempt", row.attempt)?,
        step,
        total_steps: parameters.steps,
        eta_ms: None,
        waiting_for: None,
        loading: None,
        error: row.error,
        overnight: row.overnight,
        pause_at: row.pause_at.map(|step| from_column("tasks.pause_at", step)).transpose()?,
        parameters,
        warnings: Vec::new(),
        seed: seed_from_row(row.seed)?,
        preview_path: key.as_deref().map(media_path),
        created_at: rfc3339_from_ms("tasks.created_at", row.created_at)?,
        started_at: time("tasks.started_at", row.started_at)?,
        finished_at: time("tasks.finished_at", row.finished_at)?,
    })
}
