//! Frames: list, read, update, delete, restore, purge. What a frame shows is computed in [`crate::shows`].

use crate::changes::{Change, Outcome, frame_created, frame_deleted, frame_updated};
use crate::clock::now_ms;
use crate::idempotency::IdempotencyQueries;
use crate::locks::LockQueries;
use crate::not_found::{no_frame, no_project};
use crate::order::OrderQueries;
use crate::rows::to_column;
use crate::schema::{frames, projects, takes, tasks};
use crate::shows::{OPEN, ShowQueries, changed_frames};
use crate::takes::TakeQueries;
use crate::transaction::{change, on_connections, read, write};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{Frame, FrameId, FramePatch, ProjectId, TaskId};
use std::time::Duration;

/// A frame that a user deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedFrame {
    /// The frame before its deletion.
    pub frame: Frame,
    /// Its queued and running tasks: the caller cancels them.
    pub open_tasks: Vec<TaskId>,
}

/// A changed frame first, then the frames that moved with it.
pub(crate) struct UpdatedFrames(Vec<Frame>);

impl Outcome for UpdatedFrames {
    fn changes(&self) -> Vec<Change> {
        self.0.iter().map(frame_updated).collect()
    }
}

impl Outcome for DeletedFrame {
    fn changes(&self) -> Vec<Change> {
        // The open tasks of a deleted frame are not in the queue.
        let queue = (!self.open_tasks.is_empty()).then_some(Change::Queue);
        [frame_deleted(&self.frame)].into_iter().chain(queue).collect()
    }
}

/// A frame that is no longer deleted.
pub(crate) struct RestoredFrame(Frame);

impl Outcome for RestoredFrame {
    fn changes(&self) -> Vec<Change> {
        vec![frame_created(&self.0)]
    }
}

on_connections! {
    trait FrameQueries;

    /// See [`Store::update_frame`].
    async fn patch_frame(conn: Db, id: i64, patch: FramePatch) -> Result<UpdatedFrames, StoreError> {
        let row = conn.lock_live_frame(id).await?;
        let before = conn.frames_shown(row.project_id).await?;
        if let Some(take) = patch.take_id {
            conn.finished_take_of(id, take).await?;
            diesel::update(frames::table.find(id)).set(frames::selected_take_id.eq(take.0)).execute(conn).await?;
        }
        if let Some(duration) = patch.duration {
            let duration = to_column("frames.duration", duration)?;
            diesel::update(frames::table.find(id)).set(frames::duration.eq(duration)).execute(conn).await?;
        }
        if let Some(note) = patch.note {
            diesel::update(frames::table.find(id)).set(frames::note.eq(note)).execute(conn).await?;
        }
        if let Some(index) = patch.position {
            conn.move_frame((id, row.project_id), index).await?;
        }
        let changed = changed_frames(id, &before, conn.frames_shown(row.project_id).await?);
        if changed.is_empty() {
            return Ok(UpdatedFrames(before.into_iter().filter(|frame| frame.id.0 == id).collect()));
        }
        conn.touch_project(row.project_id, now_ms()).await?;
        Ok(UpdatedFrames(changed))
    }

    /// See [`Store::delete_frame`].
    async fn soft_delete_frame(conn: Db, id: i64) -> Result<DeletedFrame, StoreError> {
        let row = conn.lock_live_frame(id).await?;
        let frame = conn.frame_shown(id).await?.ok_or_else(|| no_frame(FrameId(id)))?;
        let now = now_ms();
        let deletion = (frames::deleted_at.eq(now), frames::emptied.eq(false));
        diesel::update(frames::table.find(id)).set(deletion).execute(conn).await?;
        conn.touch_project(row.project_id, now).await?;
        let open = tasks::table.filter(tasks::frame_id.eq(id)).filter(tasks::status.eq_any(OPEN));
        let open: Vec<i64> = open.order(tasks::id).select(tasks::id).load(conn).await?;
        Ok(DeletedFrame { frame, open_tasks: open.into_iter().map(TaskId).collect() })
    }

    /// See [`Store::restore_frame`].
    async fn undelete_frame(conn: Db, id: i64) -> Result<RestoredFrame, StoreError> {
        let row = conn.lock_frame(id).await?;
        if row.deleted_at.is_some() {
            conn.clear_deletion(id).await?;
            conn.touch_project(row.project_id, now_ms()).await?;
        }
        // An error here rolls the transaction back: a live frame always shows something.
        Ok(RestoredFrame(conn.frame_shown(id).await?.ok_or_else(|| no_frame(FrameId(id)))?))
    }

    /// Clears a frame's deletion. `NotFound` when the frame was purged while this waited for its row.
    async fn clear_deletion(conn: Db, id: i64) -> Result<(), StoreError> {
        let live = (frames::deleted_at.eq(None::<i64>), frames::emptied.eq(false));
        match diesel::update(frames::table.find(id)).set(live).execute(conn).await? {
            0 => Err(no_frame(FrameId(id))),
            _ => Ok(()),
        }
    }
}

impl Store {
    /// The live frames of a project in timeline order, each with what it shows.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the project does not exist or is deleted.
    pub async fn list_frames(&self, project: ProjectId) -> Result<Vec<Frame>, StoreError> {
        read!(self, |conn| {
            let live = projects::table.find(project.0).filter(projects::deleted_at.is_null());
            let found: Option<i64> = live.select(projects::id).first(conn).await.optional()?;
            found.ok_or_else(|| no_project(project))?;
            conn.frames_shown(project.0).await
        })
    }

    /// One frame.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it does not exist, or it or its project is deleted.
    pub async fn get_frame(&self, id: FrameId) -> Result<Frame, StoreError> {
        read!(self, |conn| { conn.frame_shown(id.0).await?.ok_or_else(|| no_frame(id)) })
    }

    /// Changes the fields that are set in `patch`, which must be validated. Returns the frame first, then the other
    /// frames whose position changed.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when `take_id` is not a finished take of this frame; [`StoreError::NotFound`].
    pub async fn update_frame(&self, id: FrameId, patch: FramePatch) -> Result<Vec<Frame>, StoreError> {
        Ok(change!(self, |conn| { conn.patch_frame(id.0, patch).await })?.0)
    }

    /// Deletes a frame. It can be restored until it is purged.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it does not exist or is deleted already.
    pub async fn delete_frame(&self, id: FrameId) -> Result<DeletedFrame, StoreError> {
        change!(self, |conn| { conn.soft_delete_frame(id.0).await })
    }

    /// Restores a deleted frame at its old place on the timeline. A frame that is not deleted stays as it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it does not exist, is purged, or has nothing left to show.
    pub async fn restore_frame(&self, id: FrameId) -> Result<Frame, StoreError> {
        Ok(change!(self, |conn| { conn.undelete_frame(id.0).await })?.0)
    }

    /// Deletes for good, with their tasks and takes, the frames that were deleted at least `age` ago and have no open
    /// task. Also deletes expired idempotency keys. Returns the keys of the takes: the caller removes the files
    /// `<key>.png`.
    pub async fn purge_frames(&self, age: Duration) -> Result<Vec<String>, StoreError> {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let now = now_ms();
        let newest = now.saturating_sub(age_ms);
        write!(self, |conn| {
            conn.delete_expired_keys(now).await?;
            // The update locks the rows on PostgreSQL, as in `purge_projects`.
            let open = tasks::table.filter(tasks::status.eq_any(OPEN)).select(tasks::frame_id);
            let old = frames::table.filter(frames::deleted_at.le(newest)).filter(frames::id.ne_all(open));
            let lock = diesel::update(old).set(frames::deleted_at.eq(frames::deleted_at)).returning(frames::id);
            let ids: Vec<i64> = lock.get_results(conn).await?;
            let mut take_keys = Vec::new();
            // In chunks: SQLite allows 32,766 bound values in a query.
            for ids in ids.chunks(1000) {
                let old_takes = takes::table.filter(takes::frame_id.eq_any(ids));
                take_keys.extend(diesel::delete(old_takes).returning(takes::key).get_results::<String>(conn).await?);
                diesel::delete(frames::table.filter(frames::id.eq_any(ids))).execute(conn).await?;
            }
            Ok(take_keys)
        })
    }
}
