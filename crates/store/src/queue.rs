//! The queue: running tasks, queued tasks and their order.

use crate::changes::{Change, Outcome};
use crate::claims::{OpenTask, open_tasks_from_rows};
use crate::not_found::no_task;
use crate::rows::SettingRow;
use crate::schema::{frames, projects, settings, takes, tasks};
use crate::tasks::{FullRow, full_tasks, is_open_but_not_running, is_paused, is_waiting, joined_tasks};
use crate::transaction::{change, on_connections, read};
use crate::turns::in_turns;
use crate::unreadable::load_readable;
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{Task, TaskId, TaskStatus};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Name of the stored setting: the queue stays paused across a restart.
const PAUSED: &str = "queue_paused";

/// A change of the queue's order, with its rows, or of its pause.
pub(crate) struct Rearranged(Vec<FullRow>);

impl Outcome for Rearranged {
    fn changes(&self) -> Vec<Change> {
        vec![Change::Queue]
    }
}

on_connections! {
    trait QueueQueries;

    /// See [`Store::set_queue_paused`].
    async fn pause(conn: Db, paused: bool) -> Result<Rearranged, StoreError> {
        let row = SettingRow { name: PAUSED.to_owned(), value: paused.to_string() };
        let value = settings::value.eq(row.value.clone());
        let put = diesel::insert_into(settings::table).values(row).on_conflict(settings::name).do_update();
        put.set(value).execute(conn).await?;
        Ok(Rearranged(Vec::new()))
    }


    /// The rows of running tasks, then of queued tasks in queue order, then of paused tasks.
    async fn open_rows(conn: Db) -> Result<Vec<FullRow>, StoreError> {
        let is_running = tasks::status.eq(TaskStatus::Running.as_str());
        let order = (tasks::queue_order.asc(), tasks::id.asc());
        let mut rows: Vec<FullRow> = load_readable!(
            conn, "tasks",
            all: full_tasks!().filter(is_running).order(order),
            ids: joined_tasks!().filter(is_running).order(order).select(tasks::id),
            one: |id| full_tasks!().filter(tasks::id.eq(id)),
        );
        let overnight_last = (tasks::overnight.asc(), tasks::queue_order.asc(), tasks::id.asc());
        let waiting: Vec<FullRow> = load_readable!(
            conn, "tasks",
            all: full_tasks!().filter(is_waiting!()).order(overnight_last),
            ids: joined_tasks!().filter(is_waiting!()).order(overnight_last).select(tasks::id),
            one: |id| full_tasks!().filter(tasks::id.eq(id)),
        );
        rows.extend(waiting);
        let paused: Vec<FullRow> = load_readable!(
            conn, "tasks",
            all: full_tasks!().filter(is_paused!()).order(order),
            ids: joined_tasks!().filter(is_paused!()).order(order).select(tasks::id),
            one: |id| full_tasks!().filter(tasks::id.eq(id)),
        );
        rows.extend(paused);
        Ok(rows)
    }

    /// See [`Store::reorder_queue`].
    async fn reorder(conn: Db, wanted: Vec<TaskId>) -> Result<Rearranged, StoreError> {
        let waiting: Vec<(i64, i64)> = tasks::table
            .inner_join(frames::table.on(frames::id.eq(tasks::frame_id)))
            .inner_join(projects::table.on(projects::id.eq(tasks::project_id)))
            .filter(is_waiting!())
            .order((tasks::queue_order.asc(), tasks::id.asc()))
            .select((tasks::id, tasks::queue_order))
            .load(conn)
            .await?;
        let known: BTreeSet<i64> = waiting.iter().map(|(id, _)| *id).collect();
        if let Some(unknown) = wanted.iter().find(|id| !known.contains(&id.0)) {
            let found: Option<(String, bool)> =
                tasks::table.find(unknown.0).select((tasks::status, tasks::paused)).first(conn).await.optional()?;
            return Err(found.map_or_else(
                || no_task(*unknown),
                |(status, paused)| {
                    let status = if paused { TaskStatus::Paused.as_str() } else { &status };
                    StoreError::Conflict { why: not_waiting(*unknown, status) }
                },
            ));
        }
        for (id, place) in new_places(&waiting, &wanted) {
            // Only while it is queued: a worker may have claimed it meanwhile, and then its place no longer matters.
            let task = tasks::table.find(id).filter(tasks::status.eq(TaskStatus::Queued.as_str()));
            diesel::update(task).set(tasks::queue_order.eq(place)).execute(conn).await?;
        }
        Ok(Rearranged(conn.open_rows().await?))
    }
}

fn not_waiting(id: TaskId, status: &str) -> String {
    if status == TaskStatus::Queued.as_str() {
        format!("task {id} belongs to a frame or a project that is deleted")
    } else {
        format!("task {id} is {status}, not queued")
    }
}

/// The queue places that change, by task id. Sorted by id, so that concurrent reorderings lock the rows in the same
/// order. The queued tasks keep their set of places, so that they stay after the running tasks and before new ones.
///
/// `waiting` holds `(id, place)` in queue order; tasks that `wanted` leaves out follow in their old order.
fn new_places(waiting: &[(i64, i64)], wanted: &[TaskId]) -> BTreeMap<i64, i64> {
    let first: BTreeSet<i64> = wanted.iter().map(|id| id.0).collect();
    let left_out = waiting.iter().map(|(id, _)| *id).filter(|id| !first.contains(id));
    let old: HashMap<i64, i64> = waiting.iter().copied().collect();
    let mut least = i64::MIN;
    let places = waiting.iter().map(|(_, place)| {
        let place = (*place).max(least);
        least = place.saturating_add(1);
        place
    });
    let order = wanted.iter().map(|id| id.0).chain(left_out);
    order.zip(places).filter(|(id, place)| old.get(id) != Some(place)).collect()
}

impl Store {
    /// Running tasks, then queued tasks in the order in which they will run, then paused tasks; without queued and paused
    /// tasks of deleted frames and projects.
    pub async fn get_queue(&self) -> Result<Vec<Task>, StoreError> {
        Ok(self.open_tasks().await?.into_iter().map(|open| open.task).collect())
    }

    /// As [`Store::get_queue`], with the keys of the takes.
    pub async fn open_tasks(&self) -> Result<Vec<OpenTask>, StoreError> {
        let rows: Vec<FullRow> = read!(self, |conn| { conn.open_rows().await })?;
        open_tasks_from_rows(self.in_claim_order(rows))
    }

    /// Puts queued tasks into this order. Tasks that are left out follow in their old order. Returns the queue. Overnight tasks
    /// stay last. Where projects take turns, the order is that of each project's own tasks.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for a task that is not queued, [`StoreError::NotFound`] for one that does not exist,
    /// [`StoreError::Invalid`] for one that is named twice.
    pub async fn reorder_queue(&self, order: &[TaskId]) -> Result<Vec<Task>, StoreError> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = order.iter().find(|id| !seen.insert(**id)) {
            let message = format!("must name each task once, and names {twice} twice");
            return Err(StoreError::Invalid { field: "task_ids", message });
        }
        let wanted = order.to_vec();
        let Rearranged(rows) = change!(self, |conn| { conn.reorder(wanted).await })?;
        Ok(open_tasks_from_rows(self.in_claim_order(rows))?.into_iter().map(|open| open.task).collect())
    }

    /// The queue's rows in the order in which their tasks will be claimed.
    fn in_claim_order(&self, rows: Vec<FullRow>) -> Vec<FullRow> {
        if self.inner.own.in_turns() { in_turns(rows) } else { rows }
    }

    /// Whether the queue is paused. Stored, so that it is still paused after a restart.
    pub async fn queue_paused(&self) -> Result<bool, StoreError> {
        Ok(self.setting(PAUSED).await?.as_deref() == Some("true"))
    }

    /// Records that the queue is paused or goes on. The caller pauses the workers.
    pub async fn set_queue_paused(&self, paused: bool) -> Result<(), StoreError> {
        change!(self, |conn| { conn.pause(paused).await })?;
        Ok(())
    }

    /// The number of tasks of each status; every status is listed. Queued and paused tasks of deleted frames and projects are
    /// not counted.
    pub async fn counts(&self) -> Result<Vec<(TaskStatus, u64)>, StoreError> {
        let known = TaskStatus::ALL.map(TaskStatus::as_str);
        /// Rows of a grouped query: each value with its number.
        type Grouped<T> = Vec<(T, i64)>;
        let (by_status, waiting): (Grouped<String>, Grouped<bool>) = read!(self, |conn| {
            // Without the filter a status that is not valid text would fail the query.
            let grouped = tasks::table
                .filter(tasks::status.eq_any(known))
                .group_by(tasks::status)
                .select((tasks::status, diesel::dsl::count_star()));
            let waiting = tasks::table
                .inner_join(frames::table.on(frames::id.eq(tasks::frame_id)))
                .inner_join(projects::table.on(projects::id.eq(tasks::project_id)))
                .filter(is_open_but_not_running!())
                .group_by(tasks::paused)
                .select((tasks::paused, diesel::dsl::count_star()));
            Ok((grouped.load(conn).await?, waiting.load(conn).await?))
        })?;
        let by_status: HashMap<String, i64> = by_status.into_iter().collect();
        let waiting: HashMap<bool, i64> = waiting.into_iter().collect();
        let count = |status: TaskStatus| match status {
            TaskStatus::Queued => waiting.get(&false).copied().unwrap_or_default(),
            TaskStatus::Paused => waiting.get(&true).copied().unwrap_or_default(),
            _ => by_status.get(status.as_str()).copied().unwrap_or_default(),
        };
        Ok(TaskStatus::ALL.map(|status| (status, count(status).unsigned_abs())).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_left_out_follow_as_they_stood_and_places_that_are_shared_part() {
        let waiting = [(1, 5), (2, 5), (3, 9), (4, 10)];
        let places = new_places(&waiting, &[TaskId(4), TaskId(2)]);
        assert_eq!(places, BTreeMap::from([(1, 9), (2, 6), (3, 10), (4, 5)]));
        assert_eq!(new_places(&waiting, &[]), BTreeMap::from([(2, 6)]));
        assert_eq!(new_places(&[], &[]), BTreeMap::new());
    }
}
