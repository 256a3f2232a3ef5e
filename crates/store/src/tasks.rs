//! Tasks: make, list, read. How they run and end is in [`crate::lifecycle`], their order in [`crate::queue`].

use crate::clock::{now_ms, rfc3339_from_ms};
use crate::frames::{FrameQueries, no_frame};
use crate::projects::no_project;
use crate::rows::{IdempotencyRow, TaskRow, shown, stored};
use crate::schema::{frames, idempotency_keys, projects, takes, tasks};
use crate::shows::ShowQueries;
use crate::store::{on_connections, read, write};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::generation::limits::QUEUED_TASKS;
use protocol::{AcceptedTask, Frame, FrameId, Parameters, ProjectId, TakeId, Task, TaskId, TaskStatus, media_path};

/// The most tasks that a list answers.
const LISTED: i64 = 1000;

/// A picture to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTake {
    /// The file of its first preview is `<key>.png`, and there already.
    pub key: String,
    /// What it is made from.
    pub parameters: Parameters,
    /// Seed of its noise, 0 to 2^53 - 1.
    pub seed: u64,
}

/// A client's key for a request, so that it can send the request again without doing it twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// 1 to 255 characters; counts for one project.
    pub key: String,
    /// A hash of the request.
    pub fingerprint: String,
}

/// Tasks to be made together, for one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTasks {
    /// The frame's project.
    pub project_id: ProjectId,
    /// The frame that gets new takes; none makes a frame at the end of the timeline.
    pub frame_id: Option<FrameId>,
    /// One task for each.
    pub takes: Vec<NewTake>,
    /// The client's key, if it sent one.
    pub idempotency: Option<Idempotency>,
}

/// Tasks that were made, or queued again.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// Their frame as it is now; none only when `replayed` and the frame is gone by now.
    pub frame: Option<Frame>,
    /// Whether the frame was made, or came back, with them.
    pub frame_is_new: bool,
    /// The tasks as they are now, in the order of their ids. When `replayed`, without those that are purged.
    pub tasks: Vec<Task>,
    /// What the request is answered with: when `replayed`, word for word the first answer.
    pub accepted: Vec<AcceptedTask>,
    /// Whether the request was done before under its key; nothing was changed, and the files of these takes
    /// belong to no row.
    pub replayed: bool,
}

/// Which tasks to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Only those of this status.
    pub status: Option<TaskStatus>,
    /// Only those of this project.
    pub project_id: Option<ProjectId>,
}

#[derive(Insertable)]
#[diesel(table_name = tasks)]
pub(crate) struct InsertTask {
    project_id: i64,
    frame_id: i64,
    status: &'static str,
    parameters: String,
    seed: i64,
    queue_order: i64,
    created_at: i64,
}

#[derive(Insertable)]
#[diesel(table_name = takes)]
pub(crate) struct InsertTake {
    pub(crate) project_id: i64,
    pub(crate) frame_id: i64,
    pub(crate) task_id: i64,
    pub(crate) key: String,
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) created_at: i64,
}

/// A new take in the form of the columns.
pub(crate) struct TakeColumns {
    key: String,
    parameters: String,
    seed: i64,
    width: i32,
    height: i32,
}

/// A task's take: id, key, the step that it was finished at.
pub(crate) type TakeOfTask = Option<(i64, String, Option<i32>)>;

/// A task's row with its take.
pub(crate) type FullRow = (TaskRow, TakeOfTask);

/// Every task with its take, joined to its frame and project for filters on them.
macro_rules! full_tasks {
    () => {
        tasks::table
            .inner_join(frames::table.on(frames::id.eq(tasks::frame_id)))
            .inner_join(projects::table.on(projects::id.eq(tasks::project_id)))
            .left_join(takes::table.on(takes::task_id.eq(tasks::id)))
            .select((TaskRow::as_select(), (takes::id, takes::key, takes::finished_step).nullable()))
    };
}
pub(crate) use full_tasks;

/// A condition on `full_tasks!`: it waits, and neither its frame nor its project is deleted. The status is
/// written out, because SQLite uses the index `tasks_queue` for a literal only.
macro_rules! is_waiting {
    () => {
        diesel::dsl::sql::<diesel::sql_types::Bool>("tasks.status = 'queued'")
            .and(frames::deleted_at.is_null())
            .and(projects::deleted_at.is_null())
    };
}
pub(crate) use is_waiting;

on_connections! {
    trait TaskQueries;

    /// A task, whatever is deleted.
    async fn task_with_take(conn: Db, id: i64) -> Result<FullRow, StoreError> {
        let row: Option<FullRow> = full_tasks!().filter(tasks::id.eq(id)).first(conn).await.optional()?;
        row.ok_or_else(|| no_task(TaskId(id)))
    }

    /// A task as readers see it.
    async fn task_shown(conn: Db, id: i64) -> Result<Task, StoreError> {
        task_from_row(conn.task_with_take(id).await?)
    }

    /// The place behind every task, so that one queued now never comes before one queued earlier, nor before
    /// one that runs and may be queued again.
    async fn end_of_queue(conn: Db) -> Result<i64, StoreError> {
        let last: Option<i64> = tasks::table.select(diesel::dsl::max(tasks::queue_order)).first(conn).await?;
        Ok(last.unwrap_or_default().saturating_add(1))
    }

    /// Refuses `more` tasks when too many wait. Two processes that ask in the same moment may pass the limit
    /// by one request.
    async fn assert_room(conn: Db, more: usize) -> Result<(), StoreError> {
        let waiting: i64 = tasks::table
            .inner_join(frames::table.on(frames::id.eq(tasks::frame_id)))
            .inner_join(projects::table.on(projects::id.eq(tasks::project_id)))
            .filter(is_waiting!())
            .count()
            .get_result(conn)
            .await?;
        let waiting = usize::try_from(waiting).unwrap_or(usize::MAX);
        if waiting.saturating_add(more) > QUEUED_TASKS {
            return Err(StoreError::QueueFull { limit: QUEUED_TASKS });
        }
        Ok(())
    }

    /// The answer to a request that was done under this key already.
    async fn replay(conn: Db, project_id: i64, idempotency: &Idempotency) -> Result<Option<Created>, StoreError> {
        let of_key = idempotency_keys::table.find((project_id, idempotency.key.as_str()));
        let row = of_key.select(IdempotencyRow::as_select()).first::<IdempotencyRow>(conn).await.optional()?;
        let Some(row) = row else { return Ok(None) };
        if row.fingerprint != idempotency.fingerprint {
            let why = "the idempotency key was used before, for another request; use a new one".to_owned();
            return Err(StoreError::Conflict { why });
        }
        let accepted: Vec<AcceptedTask> = serde_json::from_str(&row.tasks)
            .map_err(|_| StoreError::Corrupt { column: "idempotency_keys.tasks", value: row.tasks })?;
        let ids = accepted.iter().map(|task| task.task_id.0).collect::<Vec<_>>();
        let rows: Vec<FullRow> =
            full_tasks!().filter(tasks::id.eq_any(ids)).order(tasks::id).load(conn).await?;
        let frame = match accepted.as_slice().first() {
            Some(task) => conn.frame_shown(task.frame_id.0).await?,
            None => None,
        };
        let tasks = rows.into_iter().map(task_from_row).collect::<Result<_, _>>()?;
        Ok(Some(Created { frame, frame_is_new: false, tasks, accepted, replayed: true }))
    }

    /// The live frame of that id in the project, or a new one at the end.
    async fn frame_for_tasks(conn: Db, project_id: ProjectId, named: Option<FrameId>, now: i64) -> Result<i64, StoreError> {
        if let Some(id) = named {
            let own = frames::table.find(id.0).filter(frames::project_id.eq(project_id.0));
            let live = own.filter(frames::deleted_at.is_null()).select(frames::id);
            let found: Option<i64> = live.first(conn).await.optional()?;
            return found.ok_or_else(|| no_frame(id));
        }
        let new = (
            frames::project_id.eq(project_id.0),
            frames::position.eq(conn.end_of_timeline(project_id.0).await?),
            frames::created_at.eq(now),
        );
        Ok(diesel::insert_into(frames::table).values(new).returning(frames::id).get_result(conn).await?)
    }

    /// One task and its take.
    async fn insert_task(conn: Db, task: InsertTask, take: TakeColumns) -> Result<i64, StoreError> {
        let (project_id, frame_id, created_at) = (task.project_id, task.frame_id, task.created_at);
        let insert = diesel::insert_into(tasks::table).values(task).returning(tasks::id);
        let task_id: i64 = insert.get_result(conn).await?;
        let TakeColumns { key, width, height, .. } = take;
        let take = InsertTake { project_id, frame_id, task_id, key, width, height, created_at };
        diesel::insert_into(takes::table).values(take).execute(conn).await?;
        Ok(task_id)
    }

    /// See [`Store::create_tasks`].
    async fn make_tasks(
        conn: Db,
        project_id: ProjectId,
        frame_id: Option<FrameId>,
        new: Vec<TakeColumns>,
        idempotency: Option<Idempotency>,
    ) -> Result<Created, StoreError> {
        if !conn.hold_project(project_id.0).await? {
            return Err(no_project(project_id));
        }
        if let Some(idempotency) = &idempotency
            && let Some(done) = conn.replay(project_id.0, idempotency).await?
        {
            return Ok(done);
        }
        conn.assert_room(new.len()).await?;
        let now = now_ms();
        let of_frame = conn.frame_for_tasks(project_id, frame_id, now).await?;
        let first = conn.end_of_queue().await?;
        let mut tasks = Vec::with_capacity(new.len());
        for (queue_order, mut take) in (first..).zip(new) {
            let task = InsertTask {
                project_id: project_id.0,
                frame_id: of_frame,
                status: TaskStatus::Queued.as_str(),
                parameters: std::mem::take(&mut take.parameters),
                seed: take.seed,
                queue_order,
                created_at: now,
            };
            let id = conn.insert_task(task, take).await?;
            tasks.push(conn.task_shown(id).await?);
        }
        conn.touch_project(project_id.0, now).await?;
        let created = conn.created(of_frame, frame_id.is_none(), tasks).await?;
        if let Some(Idempotency { key, fingerprint }) = idempotency {
            let tasks = json("idempotency_keys.tasks", &created.accepted)?;
            let row = IdempotencyRow { project_id: project_id.0, key, fingerprint, tasks, created_at: now };
            diesel::insert_into(idempotency_keys::table).values(row).execute(conn).await?;
        }
        Ok(created)
    }

    /// The answer that holds a live frame and its queued tasks.
    async fn created(conn: Db, frame_id: i64, frame_is_new: bool, tasks: Vec<Task>) -> Result<Created, StoreError> {
        let frame = conn.frame_shown(frame_id).await?;
        let accepted = tasks.iter().filter_map(|task| {
            let (take_id, preview_path) = (task.take_id?, task.preview_path.clone()?);
            Some(AcceptedTask { task_id: task.id, frame_id: task.frame_id, take_id, preview_path })
        });
        Ok(Created { frame, frame_is_new, accepted: accepted.collect(), tasks, replayed: false })
    }
}

impl Store {
    /// Makes, in one transaction, the frame if none is named, the tasks and their takes; moves the project to
    /// the top of the list. The files of the takes are there already. What `new` holds has been validated.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the project, or the frame in it, is not there or is deleted;
    /// [`StoreError::QueueFull`]; [`StoreError::Conflict`] for an idempotency key that was used for another
    /// request; [`StoreError::Invalid`] when there is no take.
    pub async fn create_tasks(&self, new: NewTasks) -> Result<Created, StoreError> {
        let NewTasks { project_id, frame_id, takes, idempotency } = new;
        if takes.is_empty() {
            let message = "there must be at least one".to_owned();
            return Err(StoreError::Invalid { field: "num_variants", message });
        }
        let columns = takes.into_iter().map(columns_from_take).collect::<Result<Vec<_>, _>>()?;
        write!(self, |conn| { conn.make_tasks(project_id, frame_id, columns, idempotency).await })
    }

    /// Tasks of projects that are not deleted, the newest first, 1000 at most.
    pub async fn tasks(&self, filter: TaskFilter) -> Result<Vec<Task>, StoreError> {
        let rows: Vec<FullRow> = read!(self, |conn| {
            let mut listed =
                full_tasks!().filter(projects::deleted_at.is_null()).order(tasks::id.desc()).limit(LISTED).into_boxed();
            if let Some(status) = filter.status {
                listed = listed.filter(tasks::status.eq(status.as_str()));
            }
            if let Some(project) = filter.project_id {
                listed = listed.filter(tasks::project_id.eq(project.0));
            }
            Ok(listed.load(conn).await?)
        })?;
        rows.into_iter().map(task_from_row).collect()
    }

    /// One task. `step` and `eta_ms` of one that runs live with its worker; here they are 0 and none.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not there, or its project is deleted.
    pub async fn task(&self, id: TaskId) -> Result<Task, StoreError> {
        let row: Option<FullRow> = read!(self, |conn| {
            let live = full_tasks!().filter(tasks::id.eq(id.0)).filter(projects::deleted_at.is_null());
            Ok(live.first(conn).await.optional()?)
        })?;
        task_from_row(row.ok_or_else(|| no_task(id))?)
    }
}

pub(crate) fn no_task(id: TaskId) -> StoreError {
    StoreError::NotFound { what: format!("task {id}") }
}

pub(crate) fn status_from_text(text: &str) -> Result<TaskStatus, StoreError> {
    TaskStatus::from_name(text).ok_or_else(|| StoreError::Corrupt { column: "tasks.status", value: text.to_owned() })
}

pub(crate) fn parameters_from_text(text: &str) -> Result<Parameters, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt { column: "tasks.parameters", value: text.to_owned() })
}

pub(crate) fn seed_from_row(seed: i64) -> Result<u64, StoreError> {
    u64::try_from(seed).map_err(|_| StoreError::Corrupt { column: "tasks.seed", value: seed.to_string() })
}

fn columns_from_take(take: NewTake) -> Result<TakeColumns, StoreError> {
    let NewTake { key, parameters, seed } = take;
    let seed =
        i64::try_from(seed).map_err(|_| StoreError::Corrupt { column: "tasks.seed", value: seed.to_string() })?;
    let (width, height) = (stored("takes.width", parameters.width)?, stored("takes.height", parameters.height)?);
    Ok(TakeColumns { key, parameters: json("tasks.parameters", &parameters)?, seed, width, height })
}

fn json<T: serde::Serialize + std::fmt::Debug>(column: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Corrupt { column, value: format!("{value:?}") })
}

pub(crate) fn task_from_row((row, take): FullRow) -> Result<Task, StoreError> {
    let status = status_from_text(&row.status)?;
    let parameters = parameters_from_text(&row.parameters)?;
    let time = |column, ms: Option<i64>| ms.map(|ms| rfc3339_from_ms(column, ms)).transpose();
    let (take_id, key, finished_step) = match take {
        Some((id, key, step)) => (Some(TakeId(id)), Some(key), step),
        None => (None, None, None),
    };
    let step = match (status, finished_step) {
        (_, Some(step)) => shown("takes.finished_step", step)?,
        // Its take, and with it the step that it was kept at, is deleted.
        (TaskStatus::Completed, None) => parameters.steps,
        _ => 0,
    };
    Ok(Task {
        id: TaskId(row.id),
        project_id: ProjectId(row.project_id),
        frame_id: FrameId(row.frame_id),
        take_id,
        status,
        attempt: shown("tasks.attempt", row.attempt)?,
        step,
        total_steps: parameters.steps,
        eta_ms: None,
        error: row.error,
        parameters,
        seed: seed_from_row(row.seed)?,
        preview_path: key.as_deref().map(media_path),
        created_at: rfc3339_from_ms("tasks.created_at", row.created_at)?,
        started_at: time("tasks.started_at", row.started_at)?,
        finished_at: time("tasks.finished_at", row.finished_at)?,
    })
}
