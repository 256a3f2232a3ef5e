//! Creates tasks: frame, tasks and takes in one transaction, once for each idempotency key.

use crate::changes::{Change, Outcome, frame_created, frame_updated};
use crate::clock::now_ms;
use crate::idempotency::{Idempotency, IdempotencyQueries};
use crate::inserts::{InsertQueries, InsertTask, NewTake, TakeColumns, columns_from_take};
use crate::locks::LockQueries;
use crate::needs::{NeedRows, Needs};
use crate::not_found::{no_frame, no_project};
use crate::order::OrderQueries;
use crate::rows::to_column;
use crate::schema::{frames, projects, takes, tasks};
use crate::shows::ShowQueries;
use crate::tasks::{FullRow, TaskQueries, full_tasks, tasks_from_rows};
use crate::transaction::{change, on_connections, read};
use crate::unreadable::load_readable;
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{AcceptedTask, Frame, FrameId, ProjectId, Task, TaskStatus};

/// Tasks to create together, all for one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTasks {
    /// The frame's project.
    pub project_id: ProjectId,
    /// The frame that gets the new takes. None creates a frame at the end of the timeline.
    pub frame_id: Option<FrameId>,
    /// One task for each take.
    pub takes: Vec<NewTake>,
    /// The client's idempotency key, if it sent one.
    pub idempotency: Option<Idempotency>,
    /// Whether they wait until no other task does, and step aside for those.
    pub overnight: bool,
    /// Number of steps after which each pauses by itself.
    pub pause_at: Option<u32>,
}

/// When the tasks of a request run.
#[derive(Clone, Copy)]
pub(crate) struct Course {
    overnight: bool,
    pause_at: Option<i32>,
}

/// Tasks that were created, or queued again.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// The tasks' frame in its current state. None only when `replayed` and the frame has been deleted since.
    pub frame: Option<Frame>,
    /// Whether the frame was created, or restored, together with the tasks.
    pub frame_is_new: bool,
    /// The tasks in their current state, by id. When `replayed`, purged tasks are missing.
    pub tasks: Vec<Task>,
    /// The response to the request. When `replayed`, exactly the first response.
    pub accepted: Vec<AcceptedTask>,
    /// Whether the request was handled before under its idempotency key. Nothing was changed, and the files of
    /// this request's takes belong to no row.
    pub replayed: bool,
}

impl Outcome for Created {
    fn changes(&self) -> Vec<Change> {
        if self.replayed {
            return Vec::new();
        }
        let frame = self.frame.as_ref().map(if self.frame_is_new { frame_created } else { frame_updated });
        frame.into_iter().chain([Change::Queue]).collect()
    }
}

on_connections! {
    trait CreationQueries;

    /// The result of the request that was handled before under this idempotency key; none for a new key.
    async fn replay(conn: Db, project_id: i64, idempotency: Idempotency) -> Result<Option<Created>, StoreError> {
        let Some(accepted) = conn.accepted_before(project_id, idempotency).await? else { return Ok(None) };
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

    /// The id of the named live frame of the project, or of a new frame at the end of the timeline.
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

    /// See [`Store::create_tasks`].
    async fn insert_tasks(
        conn: Db,
        project_id: ProjectId,
        frame_id: Option<FrameId>,
        new: Vec<(TakeColumns, Needs)>,
        idempotency: Option<Idempotency>,
        course: Course,
    ) -> Result<Created, StoreError> {
        if !conn.lock_project(project_id.0).await? {
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
        for (queue_order, (mut take, needs)) in (first..).zip(new) {
            let task = InsertTask {
                project_id: project_id.0,
                frame_id: of_frame,
                status: TaskStatus::Queued.as_str(),
                parameters: std::mem::take(&mut take.parameters),
                seed: take.seed,
                queue_order,
                created_at: now,
                overnight: course.overnight,
                pause_at: course.pause_at,
            };
            let id = conn.insert_task(task, take).await?;
            if needs != Needs::default() {
                conn.put_needs(id, needs).await?;
            }
            tasks.push(conn.task_shown(id).await?);
        }
        conn.touch_project(project_id.0, now).await?;
        let created = conn.created(of_frame, frame_id.is_none(), tasks).await?;
        if let Some(idempotency) = idempotency {
            conn.remember_accepted(project_id.0, idempotency, created.accepted.clone(), now).await?;
        }
        Ok(created)
    }

    /// The result for a live frame and its queued tasks.
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
    /// The result of the request that was handled before under this idempotency key; none for a new key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for a key that was used for another request.
    pub async fn replayed(&self, project: ProjectId, idempotency: Idempotency) -> Result<Option<Created>, StoreError> {
        read!(self, |conn| { conn.replay(project.0, idempotency).await })
    }

    /// Creates in one transaction the tasks and their takes, and a frame if none is named. Moves the project to the
    /// top of the list. The files of the takes must exist already, and the values in `new` must be validated.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the project, or the frame in it, does not exist or is deleted;
    /// [`StoreError::QueueFull`]; [`StoreError::Conflict`] for an idempotency key that was used for another
    /// request; [`StoreError::Invalid`] when there is no take.
    pub async fn create_tasks(&self, new: NewTasks) -> Result<Created, StoreError> {
        let NewTasks { project_id, frame_id, takes, idempotency, overnight, pause_at } = new;
        if takes.is_empty() {
            let message = "there must be at least one".to_owned();
            return Err(StoreError::Invalid { field: "num_variants", message });
        }
        let with_needs = |take: NewTake| {
            let needs = self.needs(&take.parameters);
            columns_from_take(take).map(|columns| (columns, needs))
        };
        let columns = takes.into_iter().map(with_needs).collect::<Result<Vec<_>, _>>()?;
        let pause_at = pause_at.map(|step| to_column("tasks.pause_at", step)).transpose()?;
        let course = Course { overnight, pause_at };
        change!(self, |conn| { conn.insert_tasks(project_id, frame_id, columns, idempotency, course).await })
    }
}
