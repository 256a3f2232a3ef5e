//! Which queued task a worker takes next.

use crate::StoreError;
use crate::backend::{postgres, sqlite};
use crate::needs::OwnFiles;
use crate::runs::Holder;
use crate::schema::{frames, projects, tasks};
use crate::tasks::is_waiting;
use crate::transaction::Query;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text};
use diesel_async::RunQueryDsl;

/// A queued task: what decides whether it can be started.
#[derive(QueryableByName)]
pub(crate) struct Waiting {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Integer)]
    pub(crate) unclean_ends: i32,
    #[diesel(sql_type = Integer)]
    pub(crate) attempt: i32,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) finished_at: Option<i64>,
}

/// Finds the next task, overnight ones last or not at all, and locks it, in one statement that many servers run at the same
/// time: a task that another one has just locked is skipped, not waited for. In turns, the k-th waiting task of a project is as
/// far back as a project has tasks before it, running ones included; else all are in the queue's order. The first tasks of each
/// project are read by its part of an index, so that a queue of ten thousand is not sorted for each claim. Tasks whose models,
/// LoRA files or embeddings this process does not have, and those of a newer drawing protocol, are left to others. There is no next task in a paused queue, and none for a process that drains.
const NEXT: &str = "WITH busy AS (SELECT t.project_id, count(*) AS running FROM runs r JOIN tasks t ON t.id = r.task_id \
         GROUP BY t.project_id), \
     first AS (SELECT h.id, CASE WHEN $2 THEN coalesce(b.running, 0) + h.rank ELSE 0 END AS turn, h.queue_order, \
         h.overnight \
         FROM projects p LEFT JOIN busy b ON b.project_id = p.id CROSS JOIN LATERAL ( \
             SELECT q.id, q.queue_order, q.overnight, row_number() OVER (ORDER BY q.overnight, q.queue_order, q.id) AS rank FROM ( \
                 SELECT t.id, t.queue_order, t.overnight FROM tasks t JOIN frames f ON f.id = t.frame_id \
                 WHERE t.project_id = p.id AND t.status = 'queued' AND NOT t.paused AND f.deleted_at IS NULL AND t.id <> ALL ($1) \
                     AND t.overnight <= $3 AND ($4 OR t.model IS NULL OR t.model = ANY ($5)) \
                     AND t.needs <= $7 AND ($8 OR NOT EXISTS (SELECT FROM jsonb_array_elements(coalesce(t.files, '[]')) n \
                         WHERE (n.value->>'hash' = ANY ($9) OR n.value->>'name' = ANY ($10)) IS NOT TRUE)) \
                 ORDER BY t.overnight, t.queue_order, t.id LIMIT 32) q) h \
         WHERE p.deleted_at IS NULL ORDER BY h.overnight, turn, h.queue_order, h.id LIMIT 32) \
     SELECT k.id, k.unclean_ends, k.attempt, k.finished_at FROM first JOIN tasks k ON k.id = first.id \
     WHERE k.status = 'queued' AND NOT k.paused \
         AND NOT EXISTS (SELECT FROM settings WHERE name = 'queue_paused' AND value = 'true') \
         AND NOT EXISTS (SELECT FROM servers WHERE id = $6 AND draining) \
     ORDER BY first.overnight, first.turn, first.queue_order, first.id LIMIT 1 FOR UPDATE OF k SKIP LOCKED";

/// Who claims, on PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) struct Claimant {
    pub(crate) holder: Holder,
    /// Whether projects take turns.
    pub(crate) in_turns: bool,
    /// The models that it has; all if none.
    pub(crate) models: Option<Vec<String>>,
    /// The drawing protocol and the files that it has; any if none.
    pub(crate) abilities: Option<(u32, OwnFiles)>,
    /// Whether it takes overnight tasks.
    pub(crate) overnight: bool,
}

pub(crate) trait NextWaiting {
    /// The next queued task except those of `skip`; overnight ones come last. On PostgreSQL it is locked, and it is one that the
    /// claimant can run; nothing is next while the queue is paused or the claimant drains.
    fn next_waiting(&mut self, skip: Vec<i64>, by: Claimant) -> Query<'_, Result<Option<Waiting>, StoreError>>;
}

impl NextWaiting for sqlite::Connection {
    fn next_waiting(&mut self, skip: Vec<i64>, by: Claimant) -> Query<'_, Result<Option<Waiting>, StoreError>> {
        Box::pin(async move {
            let first: Option<(i64, i32, i32, Option<i64>)> = tasks::table
                .inner_join(frames::table.on(frames::id.eq(tasks::frame_id)))
                .inner_join(projects::table.on(projects::id.eq(tasks::project_id)))
                .filter(is_waiting!())
                .filter(tasks::id.ne_all(skip))
                .filter(tasks::overnight.le(by.overnight))
                .order((tasks::overnight.asc(), tasks::queue_order.asc(), tasks::id.asc()))
                .select((tasks::id, tasks::unclean_ends, tasks::attempt, tasks::finished_at))
                .first(self)
                .await
                .optional()?;
            Ok(first.map(|(id, unclean_ends, attempt, finished_at)| Waiting { id, unclean_ends, attempt, finished_at }))
        })
    }
}

impl NextWaiting for postgres::Connection {
    fn next_waiting(&mut self, skip: Vec<i64>, by: Claimant) -> Query<'_, Result<Option<Waiting>, StoreError>> {
        Box::pin(async move {
            let next = diesel::sql_query(NEXT).bind::<Array<BigInt>, _>(skip).bind::<Bool, _>(by.in_turns);
            let next = next.bind::<Bool, _>(by.overnight).bind::<Bool, _>(by.models.is_none());
            let next = next.bind::<Array<Text>, _>(by.models.unwrap_or_default());
            let next = next.bind::<Text, _>(&*by.holder.server);
            let has_any = by.abilities.is_none();
            let (protocol, OwnFiles { hashes, unhashed }) =
                by.abilities.unwrap_or_else(|| (u32::MAX, OwnFiles::default()));
            let next = next.bind::<Integer, _>(i32::try_from(protocol).unwrap_or(i32::MAX)).bind::<Bool, _>(has_any);
            let next = next.bind::<Array<Text>, _>(hashes).bind::<Array<Text>, _>(unhashed);
            Ok(next.get_result(self).await.optional()?)
        })
    }
}
