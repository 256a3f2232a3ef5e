//! What a frame shows. This is the only place that decides it, and the only place that builds a [`Frame`].

use crate::StoreError;
use crate::clock::rfc3339_from_ms;
use crate::rows::{FrameRow, from_column};
use crate::schema::{frames, projects, takes, tasks};
use crate::transaction::on_connections;
use crate::unreadable::{load_readable, readable};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{Frame, FrameId, FrameStatus, ProjectId, TakeId, TaskId, TaskStatus, media_path};
use std::collections::HashMap;

/// The open statuses in the table. A paused task is `queued` there.
pub(crate) const OPEN: [&str; 2] = ["queued", "running"];

/// A take that its frame may show, and its task's status.
#[derive(Clone, Debug, Queryable)]
struct Candidate {
    id: i64,
    frame_id: i64,
    task_id: i64,
    key: String,
    width: i32,
    height: i32,
    etag: Option<String>,
    status: String,
    paused: bool,
}

/// The rule: the newest running take, else the newest paused one, else the selected one, else the oldest queued one.
fn shown_take(selected: Option<i64>, candidates: &[Candidate]) -> Option<&Candidate> {
    let of = |status: TaskStatus, paused| {
        candidates.iter().filter(move |take| take.status == status.as_str() && take.paused == paused)
    };
    let running = of(TaskStatus::Running, false).max_by_key(|take| take.id);
    let paused = of(TaskStatus::Queued, true).max_by_key(|take| take.id);
    let selected = selected.and_then(|id| candidates.iter().find(|take| take.id == id));
    let queued = of(TaskStatus::Queued, false).min_by_key(|take| take.id);
    running.or(paused).or(selected).or(queued)
}

/// Selected takes and takes of open tasks. Selects few columns: showing a timeline must not read the prompts of
/// hundreds of pictures.
macro_rules! candidates {
    () => {
        takes::table
            .inner_join(tasks::table.on(tasks::id.eq(takes::task_id)))
            .inner_join(frames::table.on(frames::id.eq(takes::frame_id)))
            .filter(tasks::status.eq_any(OPEN).or(takes::id.nullable().eq(frames::selected_take_id)))
            .select((
                takes::id,
                takes::frame_id,
                takes::task_id,
                takes::key,
                takes::width,
                takes::height,
                takes::etag,
                tasks::status,
                tasks::paused,
            ))
    };
}

on_connections! {
    trait ShowQueries;

    /// The live frames of a project in timeline order, in two queries.
    async fn frames_shown(conn: Db, project_id: i64) -> Result<Vec<Frame>, StoreError> {
        let order = (frames::position.asc(), frames::id.asc());
        let live = frames::project_id.eq(project_id).and(frames::deleted_at.is_null());
        let rows: Vec<FrameRow> = load_readable!(
            conn, "frames",
            all: frames::table.filter(live).order(order).select(FrameRow::as_select()),
            ids: frames::table.filter(live).order(order).select(frames::id),
            one: |id| frames::table.find(id).select(FrameRow::as_select()),
        );
        let of_project = takes::project_id.eq(project_id).and(frames::deleted_at.is_null());
        let shown: Vec<Candidate> = load_readable!(
            conn, "takes",
            all: candidates!().filter(of_project),
            ids: candidates!().filter(of_project).select(takes::id),
            one: |id| candidates!().filter(takes::id.eq(id)),
        );
        let mut of_frame: HashMap<i64, Vec<Candidate>> = HashMap::new();
        for take in shown {
            of_frame.entry(take.frame_id).or_default().push(take);
        }
        let mut answer = Vec::with_capacity(rows.len());
        for (rank, row) in rows.into_iter().enumerate() {
            let takes = of_frame.remove(&row.id).unwrap_or_default();
            if let Some(take) = shown_take(row.selected_take_id, &takes) {
                answer.extend(readable("frames", row.id, frame_from_rows(row, rank, take))?);
            }
        }
        Ok(answer)
    }

    /// A frame in its current state; none when it or its project is deleted, or when it cannot be read.
    async fn frame_shown(conn: Db, id: i64) -> Result<Option<Frame>, StoreError> {
        let shown = conn.readable_frame(id).await;
        Ok(readable("frames", id, shown)?.flatten())
    }

    /// As `frame_shown`, with an error for a frame that cannot be read.
    async fn readable_frame(conn: Db, id: i64) -> Result<Option<Frame>, StoreError> {
        let live = frames::table
            .inner_join(projects::table)
            .filter(frames::id.eq(id))
            .filter(frames::deleted_at.is_null())
            .filter(projects::deleted_at.is_null());
        let Some(row) = live.select(FrameRow::as_select()).first::<FrameRow>(conn).await.optional()? else {
            return Ok(None);
        };
        let takes: Vec<Candidate> = candidates!().filter(takes::frame_id.eq(id)).load(conn).await?;
        let Some(take) = shown_take(row.selected_take_id, &takes) else { return Ok(None) };
        let before = frames::position
            .lt(row.position)
            .or(frames::position.eq(row.position).and(frames::id.lt(row.id)));
        let rank: i64 = frames::table
            .filter(frames::project_id.eq(row.project_id))
            .filter(frames::deleted_at.is_null())
            .filter(before)
            .count()
            .get_result(conn)
            .await?;
        frame_from_rows(row, usize::try_from(rank).unwrap_or_default(), take).map(Some)
    }

    /// Whether a frame, deleted or not, has nothing to show.
    async fn shows_nothing(conn: Db, id: i64) -> Result<bool, StoreError> {
        let selected: Option<Option<i64>> =
            frames::table.find(id).select(frames::selected_take_id).first(conn).await.optional()?;
        let takes: Vec<Candidate> = candidates!().filter(takes::frame_id.eq(id)).load(conn).await?;
        Ok(shown_take(selected.flatten(), &takes).is_none())
    }

    /// Deletes a live frame if it has nothing left to show. Returns whether it did.
    async fn delete_if_empty(conn: Db, id: i64, now: i64) -> Result<bool, StoreError> {
        if !conn.shows_nothing(id).await? {
            return Ok(false);
        }
        let live = frames::table.find(id).filter(frames::deleted_at.is_null());
        let deletion = (frames::deleted_at.eq(now), frames::emptied.eq(true));
        Ok(diesel::update(live).set(deletion).execute(conn).await? == 1)
    }
}

/// The frames of `after` that differ from `before`; the frame `id` comes first.
pub(crate) fn changed_frames(id: i64, before: &[Frame], after: Vec<Frame>) -> Vec<Frame> {
    let old: HashMap<_, _> = before.iter().map(|frame| (frame.id, frame)).collect();
    let mut changed: Vec<Frame> = after.into_iter().filter(|frame| old.get(&frame.id) != Some(&frame)).collect();
    changed.sort_by_key(|frame| frame.id.0 != id);
    changed
}

fn frame_from_rows(row: FrameRow, rank: usize, take: &Candidate) -> Result<Frame, StoreError> {
    let status = match TaskStatus::from_name(&take.status) {
        Some(TaskStatus::Queued) if take.paused => FrameStatus::Paused,
        Some(TaskStatus::Running) => FrameStatus::Running,
        Some(TaskStatus::Queued) => FrameStatus::Queued,
        _ => FrameStatus::Ready,
    };
    Ok(Frame {
        id: FrameId(row.id),
        project_id: ProjectId(row.project_id),
        position: u32::try_from(rank).unwrap_or(u32::MAX),
        duration: from_column("frames.duration", row.duration)?,
        path: media_path(&take.key),
        width: from_column("takes.width", take.width)?,
        height: from_column("takes.height", take.height)?,
        status,
        take_id: TakeId(take.id),
        task_id: TaskId(take.task_id),
        selected_take_id: row.selected_take_id.map(TakeId),
        etag: take.etag.clone(),
        note: row.note,
        created_at: rfc3339_from_ms("frames.created_at", row.created_at)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(id: i64, status: TaskStatus) -> Candidate {
        Candidate {
            id,
            frame_id: 1,
            task_id: 100 + id,
            key: format!("key-{id}"),
            width: 64,
            height: 64,
            etag: None,
            // As the table has it.
            status: if status == TaskStatus::Paused { TaskStatus::Queued } else { status }.as_str().to_owned(),
            paused: status == TaskStatus::Paused,
        }
    }

    /// All combinations of 0 to 2 queued takes, 0 to 2 running takes, 0 to 2 paused takes, and a selected take that is
    /// missing, the oldest or the newest.
    #[test]
    fn the_rule_holds_for_every_combination() {
        for (queued, running, paused) in (0..27).map(|n| (n % 3, n / 3 % 3, n / 9)) {
            for selected in [None, Some(1), Some(90)] {
                let many = |count, first, status| (0..count).map(move |n| take(first + n, status));
                let mut takes: Vec<Candidate> = many(queued, 10, TaskStatus::Queued).collect();
                takes.extend(selected.map(|id| take(id, TaskStatus::Completed)));
                takes.extend(many(running, 20, TaskStatus::Running));
                takes.extend(many(paused, 30, TaskStatus::Paused));
                let expected = match (running, paused, selected, queued) {
                    (1.., ..) => Some(20 + running - 1),
                    (_, 1.., ..) => Some(30 + paused - 1),
                    (_, _, Some(id), _) => Some(id),
                    (_, _, None, 1..) => Some(10),
                    _ => None,
                };
                for _ in 0..takes.len().max(1) {
                    let shown = shown_take(selected, &takes).map(|take| take.id);
                    let what = format!("{queued} queued, {running} running, {paused} paused, selected {selected:?}");
                    assert_eq!(shown, expected, "{what}");
                    // The result does not depend on the order of the rows.
                    if !takes.is_empty() {
                        takes.rotate_left(1);
                    }
                }
            }
        }
    }
}
