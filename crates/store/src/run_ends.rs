//! What becomes of a task whose server is gone.

use crate::backend::Pools;
use crate::backend::postgres::Connection;
use crate::changes::{Change, Outcome};
use crate::claims::{ClaimQueries, ENDED_UNEXPECTEDLY, Requeued, STOPPED};
use crate::lifecycle::{End, Ended, LifecycleQueries};
use crate::live::Run;
use crate::locks::LockQueries;
use crate::rows::to_column;
use crate::runs::Holder;
use crate::transaction::{checkout, in_own_task};
use crate::{Store, StoreError};
use diesel::sql_types::{BigInt, Integer, Text};
use diesel_async::RunQueryDsl;
use protocol::TaskStatus;
use std::sync::Arc;

/// A task fails when it has lost its server this often: it probably ends each one, by the memory that it takes.
const MOST_LOST: u32 = 3;

/// What became of a run that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// It goes on, or has ended in another way.
    No,
    /// Its task is queued again.
    Queued,
    /// Its task failed.
    Failed,
}

/// The change of a task whose run is over.
enum Over {
    No,
    Queued(Box<Requeued>),
    Failed(Box<Requeued>, Box<Ended>),
}

impl Outcome for Over {
    fn changes(&self) -> Vec<Change> {
        match self {
            Self::No => Vec::new(),
            Self::Queued(requeued) => requeued.changes(),
            // The page hears that the attempt is over before it hears that the task is.
            Self::Failed(requeued, ended) => [requeued.changes(), ended.changes()].concat(),
        }
    }
}

/// Ends a run if its lease is over. Whether it is over is decided here and not where expired runs are listed: it may be
/// renewed in between.
const EXPIRED: &str = "DELETE FROM runs WHERE task_id = $1 AND attempt = $2 AND lease_until < clock_timestamp()";

/// Ends a run of this process.
const MINE: &str = "DELETE FROM runs WHERE task_id = $1 AND attempt = $2 AND server_id = $3";

/// Why a run is ended by another hand than its worker's.
enum Reason {
    Expired,
    GivenBack(Holder),
}

impl Store {
    /// Queues a task again whose run has expired. It fails instead if `fails`, for that reason, and when it has lost its
    /// server three times.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_expired_run(&self, run: Run, fails: Option<String>) -> Result<RunEnd, StoreError> {
        self.end_run(run, Reason::Expired, fails).await
    }

    /// Queues a task again that this process runs and will not finish: it is stopping. It fails instead if `fails`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn give_back_run(&self, run: Run, fails: Option<String>) -> Result<RunEnd, StoreError> {
        self.end_run(run, Reason::GivenBack(self.inner.own.holder()), fails).await
    }

    async fn end_run(&self, run: Run, reason: Reason, fails: Option<String>) -> Result<RunEnd, StoreError> {
        let Pools::Postgres(pool) = &self.inner.pools else { return Ok(RunEnd::No) };
        let (inner, pool) = (Arc::clone(&self.inner), pool.clone());
        in_own_task(async move {
            let mut object = checkout(&inner.database, pool.get()).await?;
            let committed = diesel_async::AsyncConnection::transaction(&mut *object, async move |conn| {
                let over = end(conn, run, reason, fails).await?;
                let changes = over.changes();
                let seq = crate::log::append(conn, &changes).await?;
                Ok::<_, StoreError>((over, changes, seq))
            });
            let (over, changes, seq) = committed.await?;
            drop(object);
            inner.committed(changes, seq).await;
            Ok(match over {
                Over::No => RunEnd::No,
                Over::Queued(_) => RunEnd::Queued,
                Over::Failed(..) => RunEnd::Failed,
            })
        })
        .await
    }
}

async fn end(
    conn: &mut Connection,
    Run { task, attempt }: Run,
    reason: Reason,
    fails: Option<String>,
) -> Result<Over, StoreError> {
    // The project first, as in every change of a task: two changes that meet wait for each other in one order.
    conn.lock_task(task).await?;
    let attempt = to_column("runs.attempt", attempt)?;
    let (ended, unclean_ends, why_ended) = match reason {
        Reason::Expired => {
            let end = diesel::sql_query(EXPIRED).bind::<BigInt, _>(task.0).bind::<Integer, _>(attempt);
            (end.execute(conn).await?, 1, ENDED_UNEXPECTEDLY)
        }
        Reason::GivenBack(holder) => {
            let end = diesel::sql_query(MINE).bind::<BigInt, _>(task.0).bind::<Integer, _>(attempt);
            (end.bind::<Text, _>(&*holder.server).execute(conn).await?, 0, STOPPED)
        }
    };
    if ended == 0 {
        return Ok(Over::No);
    }
    let requeued = Box::new(conn.requeue(task, unclean_ends, None, why_ended).await?);
    let lost = requeued.unclean_ends();
    let why = fails.or_else(|| (unclean_ends > 0 && lost >= MOST_LOST).then(|| lost_too_often(lost)));
    let Some(why) = why else { return Ok(Over::Queued(requeued)) };
    let ended = conn.end(task, vec![TaskStatus::Queued], 0..=i32::MAX, End::Failed(why)).await?;
    Ok(Over::Failed(requeued, Box::new(ended)))
}

fn lost_too_often(times: u32) -> String {
    format!(
        "its server was lost {times} times while it made this picture: probably out of memory; choose a smaller width and \
         height, or give the servers more memory, and try again"
    )
}
