//! Making tasks: frame, tasks and takes in one transaction, once for each key.

use crate::clock::now_ms;
use crate::frames::{FrameQueries, no_frame};
use crate::projects::no_project;
use crate::rows::{IdempotencyRow, stored};
use crate::schema::{frames, idempotency_keys, projects, takes, tasks};
use crate::shows::ShowQueries;
use crate::store::{on_connections, read, write};
use crate::tasks::{FullRow, TaskQueries, full_tasks, tasks_from_rows};
use crate::unreadable::{load_readable, report};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{AcceptedTask, Frame, FrameId, Parameters, ProjectId, Task, TaskStatus};

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
    pub(crate) key: String,
    pub(crate) parameters: String,
    pub(crate) seed: i64,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

on_connections! {
    trait CreationQueries;

    /// The answer to a request that was done under this key already.
    async fn replay(conn: Db, project_id: i64, idempotency: Idempotency) -> Result<Option<Created>, StoreError> {
        let of_key = idempotency_keys::table.find((project_id, idempotency.key.as_str()));
        let row = of_key.select(IdempotencyRow::as_select()).first::<IdempotencyRow>(conn).await.optional()?;
        let Some(row) = row else { return Ok(None) };
        if row.fingerprint != idempotency.fingerprint {
            let why = "the idempotency key was used before, for another request; use a new one".to_owned();
            return Err(StoreError::Conflict { why });
        }
        let Ok(accepted) = serde_json::from_str::<Vec<AcceptedTask>>(&row.tasks) else {
            report("idempotency_keys", &row.key, &"the accepted tasks are no JSON of ours");
            let why = "what was answered under this idempotency key cannot be read; use a new one".to_owned();
            return Err(StoreError::Conflict { why });
        };
        let ids = accepted.iter().map(|task| task.task_id.0).collect::<Vec<_>>();
        let rows: Vec<FullRow> = load_readable!(
            conn, "tasks",
            all: full_tasks!().filter(tasks::id.eq_any(ids.clone())).order(tasks::id),
            ids: tasks::table.filter(tasks::id.eq_any(ids)).order(tasks::id).select(tasks::id),
            one: |id| full_tasks!().filter(tasks::id.eq(id)),
        );
        let frame = match accepted.as_slice().first() {
            Some(task) => conn.frame_shown(task.frame_id.0).await?,
            None => None,
        };
        let tasks = tasks_from_rows(rows)?;
        Ok(Some(Created { frame, frame_is_new: false, tasks, accepted, replayed: true }))
    }

    /// The live frame of that id in the project, or a new one at the end.
    async fn frame_for_tasks(
        conn: Db,
        project_id: ProjectId,
        named: Option<FrameId>,
        now: i64,
    ) -> Result<i64, StoreError> {
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
            && let Some(done) = conn.replay(project_id.0, idempotency.clone()).await?
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
            Some(AcceptedTask { task_id: task.id, frame_id: task.frame_id, take_id, preview_path, seed: task.seed })
        });
        Ok(Created { frame, frame_is_new, accepted: accepted.collect(), tasks, replayed: false })
    }
}

impl Store {
    /// What a request was answered with that was done under this key already; none where none was.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for a key that was used for another request.
    pub async fn replayed(&self, project: ProjectId, idempotency: Idempotency) -> Result<Option<Created>, StoreError> {
        read!(self, |conn| { conn.replay(project.0, idempotency).await })
    }

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
}

pub(crate) fn columns_from_take(take: NewTake) -> Result<TakeColumns, StoreError> {
    let NewTake { key, parameters, seed } = take;
    let seed =
        i64::try_from(seed).map_err(|_| StoreError::Corrupt { column: "tasks.seed", value: seed.to_string() })?;
    let (width, height) = (stored("takes.width", parameters.width)?, stored("takes.height", parameters.height)?);
    Ok(TakeColumns { key, parameters: json("tasks.parameters", &parameters)?, seed, width, height })
}

fn json<T: serde::Serialize + std::fmt::Debug>(column: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Corrupt { column, value: format!("{value:?}") })
}
