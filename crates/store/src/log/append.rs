//! Appends to the log.

use super::CHANNEL;
use super::wake_ups::WAKE;
use crate::StoreError;
use crate::backend::{postgres, sqlite};
use crate::changes::Change;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use protocol::Event;
use std::{future::Future, pin::Pin};

/// Takes the numbers and adds the rows in one statement. The update locks the head until the commit.
const APPEND: &str = "WITH head AS (UPDATE event_head SET seq = seq + cardinality($1) RETURNING seq), \
     added AS (INSERT INTO events (seq, body, deleted_take) \
               SELECT head.seq - cardinality($1) + new.place, new.body, new.deleted_take \
               FROM head, unnest($1, $2) WITH ORDINALITY AS new (body, deleted_take, place)) \
     SELECT head.seq FROM head, pg_notify($3, head.seq::text)";

#[derive(QueryableByName)]
struct Head {
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

/// Appends the changes of this transaction, whose last statement this is. Returns the number of the last; none without
/// changes.
///
/// Constraints that are deferred to the commit are checked first: afterwards nothing may wait or fail, because all other
/// changes wait for this commit.
pub(crate) async fn append(conn: &mut postgres::Connection, changes: &[Change]) -> Result<Option<u64>, StoreError> {
    if changes.is_empty() {
        return Ok(None);
    }
    let (mut bodies, mut takes) = (Vec::with_capacity(changes.len()), Vec::with_capacity(changes.len()));
    for change in changes {
        let (body, take) = match change {
            Change::Event { event, deleted_take } => {
                let body = serde_json::to_string(event);
                (Some(body.map_err(|error| StoreError::Undecodable { why: error.to_string() })?), deleted_take.clone())
            }
            Change::Queue => (None, None),
        };
        bodies.push(body);
        takes.push(take);
    }
    if !changes.iter().any(is_start) {
        conn.batch_execute(&before_append(changes.contains(&Change::Queue))).await?;
    }
    let append = diesel::sql_query(APPEND)
        .bind::<Array<Nullable<Text>>, _>(bodies)
        .bind::<Array<Nullable<Text>>, _>(takes)
        .bind::<Text, _>(CHANNEL);
    let head: Head = append.get_result(conn).await?;
    Ok(u64::try_from(head.seq).ok())
}

/// Whether a transaction with this change has called [`LogLock::lock_log`].
fn is_start(change: &Change) -> bool {
    matches!(change, Change::Event { event: Event::GenerationStarted(_), .. })
}

/// What is done before the log is locked, in one round trip.
fn before_append(is_queue_changed: bool) -> String {
    format!("SET CONSTRAINTS ALL IMMEDIATE; {}", if is_queue_changed { WAKE } else { "" })
}

/// The future of [`LogLock::lock_log`].
pub(crate) type Locking<'conn> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'conn>>;

/// Locks the log, for a claim: it reads what it announces of its frame without holding a lock on that. Without this, a change that
/// is committed in between is announced first, and the older state after it.
pub(crate) trait LogLock {
    /// Locks the log until the transaction ends. Nothing but reads and [`append`] may follow.
    fn lock_log(&mut self) -> Locking<'_>;
}

impl LogLock for sqlite::Connection {
    /// The one writer is the lock.
    fn lock_log(&mut self) -> Locking<'_> {
        Box::pin(async { Ok(()) })
    }
}

impl LogLock for postgres::Connection {
    fn lock_log(&mut self) -> Locking<'_> {
        Box::pin(async move {
            let before = before_append(true);
            self.batch_execute(&format!("{before}; SELECT seq FROM event_head FOR UPDATE")).await?;
            Ok(())
        })
    }
}
