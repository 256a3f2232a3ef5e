//! The bin: what was deleted and can be restored, until it is purged.

use crate::changes::{Change, Outcome, frame_created, frame_updated};
use crate::clock::{now_ms, rfc3339_from_ms};
use crate::frames::FrameQueries;
use crate::locks::LockQueries;
use crate::not_found::{no_project, no_take};
use crate::order::OrderQueries;
use crate::projects::{CoveredRow, covered, project_from_row};
use crate::schema::{frames, projects, takes, tasks};
use crate::shows::ShowQueries;
use crate::tasks::parameters_from_text;
use crate::transaction::{change, on_connections, read, write};
use crate::unreadable::{load_readable, readable};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{Bin, BinItem, BinKind, BinProject, Frame, FrameId, ProjectId, TakeId, TaskId, TaskStatus, media_path};
use std::time::Duration;

/// A take that is no longer deleted.
pub(crate) struct RestoredTake {
    frame: Frame,
    /// Whether its frame had been removed with its last task, and is there again.
    is_frame_new: bool,
}

impl Outcome for RestoredTake {
    fn changes(&self) -> Vec<Change> {
        vec![if self.is_frame_new { frame_created(&self.frame) } else { frame_updated(&self.frame) }]
    }
}

/// A row of the bin: its frame and task, the parameters, and the time of the deletion; then, unless it is a cancelled task, the
/// take's id, key and ETag.
type Row = (i64, i64, String, Option<i64>, Option<(i64, String, Option<String>)>);

/// Columns of a [`Row`], with the time of the deletion.
macro_rules! row {
    ($deleted_at:expr) => {
        (frames::id, tasks::id, tasks::parameters, $deleted_at, (takes::id, takes::key, takes::etag).nullable())
    };
}

/// Finished takes with their tasks and frames.
macro_rules! pictures {
    () => {
        takes::table
            .inner_join(tasks::table.on(tasks::id.eq(takes::task_id)))
            .inner_join(frames::table.on(frames::id.eq(takes::frame_id)))
            .filter(takes::finished_at.is_not_null())
    };
}

/// Frames that a user deleted and that have a picture to show, as their selected takes.
macro_rules! deleted_frames {
    ($project:expr) => {
        pictures!()
            .filter(frames::project_id.eq($project))
            .filter(frames::deleted_at.is_not_null())
            .filter(frames::emptied.eq(false))
            .filter(takes::id.nullable().eq(frames::selected_take_id))
    };
}

/// Deleted takes of frames that no user has deleted.
macro_rules! deleted_takes {
    ($project:expr) => {
        pictures!()
            .filter(takes::project_id.eq($project))
            .filter(takes::deleted_at.is_not_null())
            .filter(frames::deleted_at.is_null().or(frames::emptied.eq(true)))
    };
}

/// Cancelled tasks since `$since` of frames that no user has deleted.
macro_rules! cancelled_tasks {
    ($project:expr, $since:expr) => {
        tasks::table
            .inner_join(frames::table.on(frames::id.eq(tasks::frame_id)))
            .left_join(takes::table.on(takes::task_id.eq(tasks::id)))
            .filter(tasks::project_id.eq($project))
            .filter(tasks::status.eq(TaskStatus::Cancelled.as_str()))
            .filter(tasks::finished_at.ge($since))
            .filter(frames::deleted_at.is_null().or(frames::emptied.eq(true)))
    };
}

on_connections! {
    trait BinQueries;

    /// See [`Store::get_bin`].
    async fn bin(conn: Db, project: ProjectId) -> Result<(Vec<(BinKind, Row)>, i64), StoreError> {
        let live = projects::table.find(project.0).filter(projects::deleted_at.is_null());
        let found: Option<i64> = live.select(projects::id).first(conn).await.optional()?;
        found.ok_or_else(|| no_project(project))?;
        let most = i64::try_from(Bin::MOST).unwrap_or(i64::MAX);
        let of_frames = deleted_frames!(project.0).order((frames::deleted_at.desc(), frames::id.desc()));
        let of_frames: Vec<Row> = of_frames.limit(most).select(row!(frames::deleted_at)).load(conn).await?;
        let of_takes = deleted_takes!(project.0).order((takes::deleted_at.desc(), takes::id.desc()));
        let of_takes: Vec<Row> = of_takes.limit(most).select(row!(takes::deleted_at)).load(conn).await?;
        let since = now_ms() - kept_ms();
        let of_tasks = cancelled_tasks!(project.0, since).order((tasks::finished_at.desc(), tasks::id.desc()));
        let of_tasks: Vec<Row> = of_tasks.limit(most).select(row!(tasks::finished_at)).load(conn).await?;
        let frames: i64 = deleted_frames!(project.0).count().get_result(conn).await?;
        let takes: i64 = deleted_takes!(project.0).count().get_result(conn).await?;
        let cancelled: i64 = cancelled_tasks!(project.0, since).count().get_result(conn).await?;
        let kinds = [(BinKind::Frame, of_frames), (BinKind::Take, of_takes), (BinKind::Task, of_tasks)];
        let all = kinds.into_iter().flat_map(|(kind, rows)| rows.into_iter().map(move |row| (kind, row)));
        let mut all: Vec<(BinKind, Row)> = all.collect();
        all.sort_by_key(|(_, row)| std::cmp::Reverse((row.3, row.1)));
        all.truncate(Bin::MOST);
        Ok((all, frames + takes + cancelled))
    }

    /// See [`Store::restore_take`].
    async fn undelete_take(conn: Db, id: TakeId) -> Result<RestoredTake, StoreError> {
        let frame_id: Option<i64> = takes::table.find(id.0).select(takes::frame_id).first(conn).await.optional()?;
        let frame_id = frame_id.ok_or_else(|| no_take(id))?;
        let row = match conn.lock_frame(frame_id).await {
            Err(StoreError::NotFound { .. }) => return Err(no_take(id)),
            locked => locked?,
        };
        if row.deleted_at.is_some() && !row.emptied {
            let why = format!("frame {frame_id} of take {id} is deleted; restore it first");
            return Err(StoreError::Conflict { why });
        }
        let deleted = takes::table.find(id.0).filter(takes::deleted_at.is_not_null());
        let restored = diesel::update(deleted).set(takes::deleted_at.eq(None::<i64>)).execute(conn).await?;
        if restored == 1 {
            if row.deleted_at.is_some() {
                conn.clear_deletion(frame_id).await?;
            }
            let unselected = frames::table.find(frame_id).filter(frames::selected_take_id.is_null());
            diesel::update(unselected).set(frames::selected_take_id.eq(id.0)).execute(conn).await?;
            conn.touch_project(row.project_id, now_ms()).await?;
        }
        let frame = conn.frame_shown(frame_id).await?.ok_or_else(|| no_take(id))?;
        Ok(RestoredTake { frame, is_frame_new: restored == 1 && row.deleted_at.is_some() })
    }
}

impl Store {
    /// What was deleted of a project and can be restored: frames that have a picture, takes, and cancelled tasks. Newest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the project does not exist or is deleted.
    pub async fn get_bin(&self, project: ProjectId) -> Result<Bin, StoreError> {
        let (rows, total) = read!(self, |conn| { conn.bin(project).await })?;
        let mut items = Vec::with_capacity(rows.len());
        for (kind, row) in rows {
            items.extend(readable("tasks", row.1, item_from_row(kind, row))?);
        }
        Ok(Bin { items, total: u64::try_from(total).unwrap_or_default() })
    }

    /// The deleted projects that can be restored, newest deletion first: at most [`Bin::MOST`].
    pub async fn deleted_projects(&self) -> Result<Vec<BinProject>, StoreError> {
        let most = i64::try_from(Bin::MOST).unwrap_or(i64::MAX);
        let rows: Vec<CoveredRow> = read!(self, |conn| {
            let order = (projects::deleted_at.desc(), projects::id.desc());
            let deleted = || projects::deleted_at.is_not_null();
            Ok(load_readable!(
                conn, "projects",
                all: covered().filter(deleted()).order(order).limit(most),
                ids: projects::table.filter(deleted()).order(order).limit(most).select(projects::id),
                one: |id| covered().filter(projects::id.eq(id)),
            ))
        })?;
        let mut listed = Vec::with_capacity(rows.len());
        for row in rows {
            listed.extend(readable("projects", row.0.id, bin_project(row))?);
        }
        Ok(listed)
    }

    /// Restores a deleted take. Selects it if its frame has nothing else selected. If the frame was removed because nothing was
    /// left to show, it is restored too. A take that is not deleted stays as it is. Returns its frame.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a user deleted its frame; [`StoreError::NotFound`] when it does not exist or is purged.
    pub async fn restore_take(&self, id: TakeId) -> Result<Frame, StoreError> {
        Ok(change!(self, |conn| { conn.undelete_take(id).await })?.frame)
    }

    /// Deletes for good the takes that were deleted at least `age` ago. Returns their keys: the caller removes their pictures.
    pub async fn purge_takes(&self, age: Duration) -> Result<Vec<String>, StoreError> {
        let newest = now_ms().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        write!(self, |conn| {
            let old = takes::table.filter(takes::deleted_at.le(newest));
            Ok(diesel::delete(old).returning(takes::key).get_results(conn).await?)
        })
    }
}

/// The times of a deletion at `at`, and until when it can be undone.
fn times(at: i64) -> Result<(String, String), StoreError> {
    Ok((rfc3339_from_ms("deleted_at", at)?, rfc3339_from_ms("deleted_at", at.saturating_add(kept_ms()))?))
}

/// How long what was deleted is kept, milliseconds.
fn kept_ms() -> i64 {
    i64::try_from(Bin::KEPT_FOR.as_millis()).unwrap_or(i64::MAX)
}

fn bin_project(row: CoveredRow) -> Result<BinProject, StoreError> {
    let (deleted_at, kept_until) = times(row.0.deleted_at.unwrap_or_default())?;
    Ok(BinProject { project: project_from_row(row)?, deleted_at, kept_until })
}

fn item_from_row(kind: BinKind, row: Row) -> Result<BinItem, StoreError> {
    let (frame_id, task_id, parameters, deleted_at, take) = row;
    let (deleted_at, kept_until) = times(deleted_at.unwrap_or_default())?;
    let parameters = parameters_from_text(&parameters)?;
    let (take_id, key, etag) = take.map(|(id, key, etag)| (Some(id), Some(key), etag)).unwrap_or_default();
    Ok(BinItem {
        kind,
        frame_id: FrameId(frame_id),
        take_id: take_id.map(TakeId),
        task_id: TaskId(task_id),
        path: key.map(|key| media_path(&key)),
        etag,
        width: parameters.width,
        height: parameters.height,
        prompt: parameters.prompt,
        deleted_at,
        kept_until,
    })
}
