//! Transactions on either database: the macros `read!`, `write!`, `change!` and `on_connections!`.

use crate::StoreError;
use diesel_async::pooled_connection::deadpool::PoolError;
use std::{future::Future, time::Duration};

/// How long a call waits for a connection before it fails with `Busy`. Longer than SQLite's `busy_timeout`, so that one
/// call that waits for another process does not fail the calls that wait after it.
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs one of two bodies with a connection of the pool, each with the [`Inner`] that it names. The body runs in a task of
/// its own (see [`in_own_task`]), so it must own the values that it uses.
///
/// [`Inner`]: crate::store::Inner
macro_rules! checked_out {
    ($store:expr, |$inner:ident, $object:ident| sqlite($pool:ident) $on_sqlite:block postgres $on_postgres:block) => {{
        let $inner = std::sync::Arc::clone(&$store.inner);
        match &$store.inner.pools {
            $crate::backend::Pools::Sqlite { $pool, .. } => {
                $crate::transaction::checked_out!($inner, $object, $pool, $on_sqlite)
            }
            $crate::backend::Pools::Postgres(pool) => {
                $crate::transaction::checked_out!($inner, $object, pool, $on_postgres)
            }
        }
    }};
    ($inner:ident, $object:ident, $pool:ident, $body:block) => {{
        let pool = $pool.clone();
        $crate::transaction::in_own_task(async move {
            let mut $object = $crate::transaction::checkout(&$inner.database, pool.get()).await?;
            $body
        })
        .await
    }};
}

/// Runs queries in one read-only snapshot: `read!(store, |conn| { ... Ok(value) })`.
///
/// The body is compiled once for each kind of connection.
///
/// All queries see the database at one moment. Without the snapshot, a task that a worker claimed between the query for
/// running tasks and the query for queued tasks was in neither result, and the queue looked empty.
macro_rules! read {
    ($store:expr, |$conn:ident| $body:block) => {
        $crate::transaction::checked_out!($store, |inner, object|
            sqlite(readers) {
                diesel_async::AsyncConnection::transaction(&mut *object, async move |$conn| $body).await
            }
            postgres {
                let mut snapshot = object.build_transaction().repeatable_read().read_only();
                snapshot.run(async move |$conn| $body).await
            }
        )
    };
}

/// Runs queries and changes in one transaction. Otherwise as `read!`.
///
/// On SQLite the transaction begins as a writer (`IMMEDIATE`). A transaction that begins as a reader and then writes
/// fails at once, without waiting, when another process has written in between.
macro_rules! write {
    ($store:expr, |$conn:ident| $body:block) => {
        $crate::transaction::checked_out!($store, |inner, object|
            sqlite(writer) {
                object.immediate_transaction(async move |$conn| $body).await
            }
            postgres {
                diesel_async::AsyncConnection::transaction(&mut *object, async move |$conn| $body).await
            }
        )
    };
}

/// As `write!`, for a change that others hear of: the changes of its [`Outcome`] reach the subscriber after the commit, in
/// the order of the commits. The body is one call.
///
/// On SQLite the one writer is held until they are handed over. On PostgreSQL they are appended to the log with the commit,
/// from which every server hands them over; this returns when this one has. A worker hands over its own ones without the log.
///
/// [`Outcome`]: crate::changes::Outcome
macro_rules! change {
    ($store:expr, |$conn:ident| $body:block) => {
        $crate::transaction::checked_out!($store, |inner, object|
            sqlite(writer) {
                let committed = object.immediate_transaction::<_, $crate::StoreError, _>(async move |$conn| $body);
                let outcome = committed.await?;
                inner.announce($crate::changes::Outcome::changes(&outcome));
                drop(object);
                Ok(outcome)
            }
            postgres {
                let committed = diesel_async::AsyncConnection::transaction(&mut *object, async move |$conn| {
                    let done: Result<_, $crate::StoreError> = $body;
                    let outcome = done?;
                    let changes = $crate::changes::Outcome::changes(&outcome);
                    let seq = $crate::log::append($conn, &changes).await?;
                    Ok::<_, $crate::StoreError>((outcome, changes, seq))
                });
                let (outcome, changes, seq) = committed.await?;
                drop(object);
                inner.committed(changes, seq).await;
                Ok(outcome)
            }
        )
    };
}

/// Defines query functions for the bodies of `read!` and `write!`. Each is written once and compiled for each kind of
/// connection, as a method of a trait: `conn.name(arguments)`. Arguments must own their data.
///
/// A generic function would need a trait bound for every diesel expression in it. The futures are boxed so that they are
/// compiled once, in this crate: an `async fn` is compiled again in each crate that calls it, and these queries took
/// minutes in each.
macro_rules! on_connections {
    (
        trait $name:ident;
        $(
            $(#[$doc:meta])*
            async fn $function:ident($conn:ident: Db $(, $argument:ident: $type:ty)* $(,)?) -> $answer:ty $body:block
        )+
    ) => {
        pub(crate) trait $name {
            $($(#[$doc])* fn $function(&mut self $(, $argument: $type)*) -> $crate::transaction::Query<'_, $answer>;)+
        }
        impl $name for $crate::backend::sqlite::Connection {
            $(fn $function(&mut self $(, $argument: $type)*) -> $crate::transaction::Query<'_, $answer> {
                Box::pin(async move { let $conn = self; $body })
            })+
        }
        impl $name for $crate::backend::postgres::Connection {
            $(fn $function(&mut self $(, $argument: $type)*) -> $crate::transaction::Query<'_, $answer> {
                Box::pin(async move { let $conn = self; $body })
            })+
        }
    };
}

/// The future of a query function.
pub(crate) type Query<'conn, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'conn>>;

pub(crate) use {change, checked_out, on_connections, read, write};

/// Runs a database call in a task of its own, so that it runs to its end even if the caller's future is dropped (a
/// client disconnects). A call that stopped half-way would return its connection to the pool with an open transaction
/// or a running query.
pub(crate) async fn in_own_task<T, F>(call: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
{
    tokio::spawn(call).await.map_err(StoreError::Aborted)?
}

/// A connection from the pool. `Busy` when none is free within [`CHECKOUT_TIMEOUT`].
pub(crate) async fn checkout<T>(
    database: &str,
    connection: impl Future<Output = Result<T, PoolError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(CHECKOUT_TIMEOUT, connection).await {
        Ok(object) => object.map_err(|error| StoreError::from_pool(database, error)),
        Err(_elapsed) => Err(StoreError::Busy),
    }
}
