//! Row locks. A transaction that changes frames, takes or tasks locks their project first, so that two such
//! transactions on one project run one after the other.

use crate::StoreError;
use crate::not_found::{no_frame, no_project, no_task};
use crate::rows::FrameRow;
use crate::schema::{frames, projects, tasks};
use crate::transaction::on_connections;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{FrameId, ProjectId, TaskId};

on_connections! {
    trait LockQueries;

    /// Locks a project's row until the transaction ends. Returns whether the project is live (not deleted), and
    /// `NotFound` when there is no such row.
    ///
    /// Claiming a task is the one change that does not take this lock: it writes only the task's own row, and every
    /// other change of a status names the statuses that it starts from.
    async fn lock_project(conn: Db, id: i64) -> Result<bool, StoreError> {
        let locked = diesel::update(projects::table.find(id)).set(projects::updated_at.eq(projects::updated_at));
        let deleted_at: Option<Option<i64>> =
            locked.returning(projects::deleted_at).get_result(conn).await.optional()?;
        deleted_at.map(|at| at.is_none()).ok_or_else(|| no_project(ProjectId(id)))
    }

    /// Locks a frame's project, which must be live, and returns the frame's row, deleted or not.
    async fn lock_frame(conn: Db, id: i64) -> Result<FrameRow, StoreError> {
        let project: Option<i64> =
            frames::table.find(id).select(frames::project_id).first(conn).await.optional()?;
        let project = project.ok_or_else(|| no_frame(FrameId(id)))?;
        if !conn.lock_project(project).await? {
            return Err(no_frame(FrameId(id)));
        }
        let row = frames::table.find(id).select(FrameRow::as_select()).first(conn).await.optional()?;
        row.ok_or_else(|| no_frame(FrameId(id)))
    }

    /// As `lock_frame`; a deleted frame is `NotFound`.
    async fn lock_live_frame(conn: Db, id: i64) -> Result<FrameRow, StoreError> {
        let row = conn.lock_frame(id).await?;
        if row.deleted_at.is_some() { Err(no_frame(FrameId(id))) } else { Ok(row) }
    }

    /// Locks a task's project, deleted or not. Returns the ids of the task's frame and project.
    async fn lock_task(conn: Db, id: TaskId) -> Result<(i64, i64), StoreError> {
        let of_task = tasks::table.find(id.0).select((tasks::frame_id, tasks::project_id));
        let found: Option<(i64, i64)> = of_task.first(conn).await.optional()?;
        let (frame_id, project_id) = found.ok_or_else(|| no_task(id))?;
        conn.lock_project(project_id).await?;
        Ok((frame_id, project_id))
    }
}
