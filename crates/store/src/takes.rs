//! Takes: list, read, delete.

use crate::changes::{Change, Outcome, frame_updated};
use crate::clock::{now_ms, rfc3339_from_ms};
use crate::locks::LockQueries;
use crate::not_found::{no_frame, no_take};
use crate::objects::FinalPicture;
use crate::order::OrderQueries;
use crate::rows::{TakeRow, TaskRow, from_column};
use crate::schema::{frames, projects, takes, tasks};
use crate::shows::{OPEN, ShowQueries};
use crate::tasks::{parameters_from_text, seed_from_row, status_from_row};
use crate::transaction::{change, on_connections, read};
use crate::unreadable::{load_readable, readable};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{Frame, FrameId, ProjectId, Take, TakeId, TakePatch, TaskId, frame, media_path};

/// A take and its key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyedTake {
    /// The take.
    pub take: Take,
    /// The picture's address is `/media/<key>.png`.
    pub key: String,
    /// Where its final picture is; none until it is finished.
    pub picture: Option<FinalPicture>,
}

/// The frame of a take that a user deleted.
pub(crate) struct WithoutTake(Frame);

impl Outcome for WithoutTake {
    fn changes(&self) -> Vec<Change> {
        vec![frame_updated(&self.0)]
    }
}

/// A take that a user changed. Frames do not show what can be changed, so nobody hears of it.
pub(crate) struct UpdatedTake(KeyedTake);

impl Outcome for UpdatedTake {
    fn changes(&self) -> Vec<Change> {
        Vec::new()
    }
}

/// A take's row, its task's row, and the id of the take that its frame has selected.
type FullRow = (TakeRow, TaskRow, Option<i64>);

/// Takes that are not deleted, of live frames and projects.
macro_rules! joined_takes {
    () => {
        takes::table
            .inner_join(tasks::table.on(tasks::id.eq(takes::task_id)))
            .inner_join(frames::table.on(frames::id.eq(takes::frame_id)))
            .inner_join(projects::table.on(projects::id.eq(takes::project_id)))
            .filter(takes::deleted_at.is_null())
            .filter(frames::deleted_at.is_null())
            .filter(projects::deleted_at.is_null())
    };
}

/// `joined_takes!`; selects a [`FullRow`].
macro_rules! live_takes {
    () => {
        joined_takes!().select((TakeRow::as_select(), TaskRow::as_select(), frames::selected_take_id))
    };
}

on_connections! {
    trait TakeQueries;

    /// The row of a finished take of this frame; `Invalid` for any other id.
    async fn finished_take_of(conn: Db, frame_id: i64, take: TakeId) -> Result<TakeRow, StoreError> {
        let own = takes::table
            .find(take.0)
            .filter(takes::frame_id.eq(frame_id))
            .filter(takes::deleted_at.is_null())
            .filter(takes::finished_at.is_not_null());
        let row = own.select(TakeRow::as_select()).first(conn).await.optional()?;
        row.ok_or_else(|| {
            let rule = frame::expected("take_id").unwrap_or_default();
            StoreError::Invalid { field: "take_id", message: format!("{rule}, not {take}") }
        })
    }

    /// If this take is the selected one of its frame, selects the newest other finished take.
    async fn deselect_take(conn: Db, take: TakeRow) -> Result<(), StoreError> {
        let newest_other: Option<i64> = takes::table
            .filter(takes::frame_id.eq(take.frame_id))
            .filter(takes::id.ne(take.id))
            .filter(takes::deleted_at.is_null())
            .filter(takes::finished_at.is_not_null())
            .order((takes::finished_at.desc(), takes::id.desc()))
            .select(takes::id)
            .first(conn)
            .await
            .optional()?;
        let showing = frames::table.find(take.frame_id).filter(frames::selected_take_id.eq(take.id));
        diesel::update(showing).set(frames::selected_take_id.eq(newest_other)).execute(conn).await?;
        Ok(())
    }

    /// See [`Store::update_take`].
    async fn update_one_take(conn: Db, id: TakeId, patch: TakePatch) -> Result<UpdatedTake, StoreError> {
        if let Some(pinned) = patch.trace_pinned {
            diesel::update(takes::table.find(id.0)).set(takes::trace_pinned.eq(pinned)).execute(conn).await?;
        }
        let row: Option<FullRow> = live_takes!().filter(takes::id.eq(id.0)).first(conn).await.optional()?;
        // An error undoes the change.
        Ok(UpdatedTake(keyed_take_from_row(row.ok_or_else(|| no_take(id))?)?))
    }

    /// See [`Store::delete_take`].
    async fn soft_delete_take(conn: Db, id: TakeId) -> Result<WithoutTake, StoreError> {
        let frame_id: Option<i64> = takes::table.find(id.0).select(takes::frame_id).first(conn).await.optional()?;
        let frame_id = frame_id.ok_or_else(|| no_take(id))?;
        let project_id = match conn.lock_live_frame(frame_id).await {
            Ok(row) => row.project_id,
            Err(StoreError::NotFound { .. }) => return Err(no_take(id)),
            Err(error) => return Err(error),
        };
        let row: Option<(TakeRow, TaskRow)> = takes::table
            .inner_join(tasks::table.on(tasks::id.eq(takes::task_id)))
            .filter(takes::id.eq(id.0))
            .filter(takes::deleted_at.is_null())
            .select((TakeRow::as_select(), TaskRow::as_select()))
            .first(conn)
            .await
            .optional()?;
        let (row, task) = row.ok_or_else(|| no_take(id))?;
        if OPEN.contains(&task.status.as_str()) {
            let (task, status) = (row.task_id, status_from_row(&task)?.as_str());
            let why = format!("take {id} is still being made: task {task} is {status}; cancel it first");
            return Err(StoreError::Conflict { why });
        }
        conn.deselect_take(row).await?;
        diesel::update(takes::table.find(id.0)).set(takes::deleted_at.eq(now_ms())).execute(conn).await?;
        if conn.shows_nothing(frame_id).await? {
            let why = "a frame's only take cannot be deleted; delete the frame instead".to_owned();
            return Err(StoreError::Conflict { why });
        }
        conn.touch_project(project_id, now_ms()).await?;
        let frame = conn.frame_shown(frame_id).await?.ok_or_else(|| no_frame(FrameId(frame_id)))?;
        Ok(WithoutTake(frame))
    }
}

impl Store {
    /// The takes of a frame, newest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the frame does not exist, or it or its project is deleted.
    pub async fn list_takes(&self, frame: FrameId) -> Result<Vec<Take>, StoreError> {
        let rows: Option<Vec<FullRow>> = read!(self, |conn| {
            let of_frame = takes::frame_id.eq(frame.0);
            let rows = load_readable!(
                conn, "takes",
                all: live_takes!().filter(of_frame).order(takes::id.desc()),
                ids: joined_takes!().filter(of_frame).order(takes::id.desc()).select(takes::id),
                one: |id| live_takes!().filter(takes::id.eq(id)),
            );
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
            // A live frame always has a take, though perhaps none that can be read.
            let any: Option<i64> = joined_takes!().filter(of_frame).select(takes::id).first(conn).await.optional()?;
            Ok(any.map(|_| rows))
        })?;
        let rows = rows.ok_or_else(|| no_frame(frame))?;
        let mut listed = Vec::with_capacity(rows.len());
        for row in rows {
            listed.extend(readable("takes", row.0.id, keyed_take_from_row(row))?.map(|keyed| keyed.take));
        }
        Ok(listed)
    }

    /// One take and its key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it does not exist, or its frame or project is deleted.
    pub async fn get_take(&self, id: TakeId) -> Result<KeyedTake, StoreError> {
        let row: Option<FullRow> =
            read!(self, |conn| { Ok(live_takes!().filter(takes::id.eq(id.0)).first(conn).await.optional()?) })?;
        keyed_take_from_row(row.ok_or_else(|| no_take(id))?)
    }

    /// Whether there is a take with this key, also in a deleted frame. One that is gone does not come back.
    pub async fn has_take(&self, key: &str) -> Result<bool, StoreError> {
        let key = key.to_owned();
        let found: Option<i64> = read!(self, |conn| {
            Ok(takes::table.filter(takes::key.eq(key)).select(takes::id).first(conn).await.optional()?)
        })?;
        Ok(found.is_some())
    }

    /// Changes the fields that are set.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it does not exist, or its frame or project is deleted.
    pub async fn update_take(&self, id: TakeId, patch: TakePatch) -> Result<KeyedTake, StoreError> {
        Ok(change!(self, |conn| { conn.update_one_take(id, patch).await })?.0)
    }

    /// Keys of the takes whose traces stay when space is needed.
    pub async fn pinned_traces(&self) -> Result<Vec<String>, StoreError> {
        read!(self, |conn| {
            Ok(takes::table.filter(takes::trace_pinned.eq(true)).select(takes::key).load(conn).await?)
        })
    }

    /// Deletes a take; it can be restored until it is purged. If its frame had selected it, selects the newest other finished
    /// take. Returns its frame.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its task is queued or running, or its frame has nothing else to show;
    /// [`StoreError::NotFound`].
    pub async fn delete_take(&self, id: TakeId) -> Result<Frame, StoreError> {
        Ok(change!(self, |conn| { conn.soft_delete_take(id).await })?.0)
    }
}

fn keyed_take_from_row((row, task, selected): FullRow) -> Result<KeyedTake, StoreError> {
    let time = |column, ms: Option<i64>| ms.map(|ms| rfc3339_from_ms(column, ms)).transpose();
    let take = Take {
        id: TakeId(row.id),
        frame_id: FrameId(row.frame_id),
        project_id: ProjectId(row.project_id),
        task_id: TaskId(row.task_id),
        path: media_path(&row.key),
        width: from_column("takes.width", row.width)?,
        height: from_column("takes.height", row.height)?,
        status: status_from_row(&task)?,
        selected: selected == Some(row.id),
        parameters: parameters_from_text(&task.parameters)?,
        seed: seed_from_row(task.seed)?,
        etag: row.etag,
        finished_step: row.finished_step.map(|step| from_column("takes.finished_step", step)).transpose()?,
        created_at: rfc3339_from_ms("takes.created_at", row.created_at)?,
        finished_at: time("takes.finished_at", row.finished_at)?,
        trace_pinned: row.trace_pinned,
    };
    let picture = take.etag.clone().map(|etag| FinalPicture { etag, object: row.object });
    Ok(KeyedTake { take, key: row.key, picture })
}
