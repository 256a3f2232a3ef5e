//! The store: two kinds of pool behind one handle, and the macros that run one body on either.

use crate::backend::{postgres, sqlite};
use crate::clock::{LATEST_MS, not_before};
use crate::{StoreError, migrate::Missing, url::Address};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use diesel_async::pooled_connection::deadpool::{Pool, PoolError};
use std::{future::Future, sync::Arc, time::Duration};

/// How long a call waits for a connection before it says that the database is busy. Longer than SQLite's
/// `busy_timeout`, so that one call that waits for another process does not fail those behind it.
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(30);

/// The database. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    /// For messages; without a password.
    pub(crate) database: String,
    pub(crate) pools: Pools,
    /// Keeps other servers away for as long as it lives.
    owner: Option<Owner>,
}

/// What says that one server uses the database.
pub(crate) enum Owner {
    /// The locked file beside the database. The lock lives as long as the open file.
    Sqlite(#[allow(dead_code, reason = "kept for its lock")] std::fs::File),
    /// A session that holds an advisory lock.
    Postgres(#[allow(dead_code, reason = "kept for its session")] postgres::Session),
}

pub(crate) enum Pools {
    /// SQLite has one writer at a time. So has this: its calls wait their turn in the pool's queue, in order,
    /// instead of polling the file's lock, where one of many can be passed over until it times out.
    Sqlite { writer: Pool<sqlite::Connection>, readers: Pool<sqlite::Connection> },
    /// PostgreSQL, any connection for anything.
    Postgres(Pool<postgres::Connection>),
}

/// Runs a body that reads, in one snapshot, on whichever database is open.
///
/// `read!(store, |conn| { ... Ok(value) })`: the body is compiled once for each kind of connection. It runs as
/// a task of its own, so it must own what it uses (see [`in_own_task`]).
///
/// All its queries see the database at one moment. Without that, a task that a worker took between the query
/// for what runs and the one for what waits was in neither, and the queue looked empty.
macro_rules! read {
    ($store:expr, |$conn:ident| $body:block) => {{
        let inner = std::sync::Arc::clone(&$store.inner);
        match &$store.inner.pools {
            $crate::store::Pools::Sqlite { readers, .. } => {
                let pool = readers.clone();
                $crate::store::in_own_task(async move {
                    let mut object = $crate::store::checkout(&inner, pool.get()).await?;
                    diesel_async::AsyncConnection::transaction(&mut *object, async move |$conn| $body).await
                })
                .await
            }
            $crate::store::Pools::Postgres(pool) => {
                let pool = pool.clone();
                $crate::store::in_own_task(async move {
                    let mut object = $crate::store::checkout(&inner, pool.get()).await?;
                    let mut snapshot = object.build_transaction().repeatable_read().read_only();
                    snapshot.run(async move |$conn| $body).await
                })
                .await
            }
        }
    }};
}

/// Runs a body that writes, in one transaction, on whichever database is open. As `read!` otherwise.
///
/// On SQLite the transaction begins as a writer (`IMMEDIATE`): one that begins as a reader and then writes is
/// refused at once, without waiting, when another process has written in between.
macro_rules! write {
    ($store:expr, |$conn:ident| $body:block) => {{
        let inner = std::sync::Arc::clone(&$store.inner);
        match &$store.inner.pools {
            $crate::store::Pools::Sqlite { writer, .. } => {
                let pool = writer.clone();
                $crate::store::in_own_task(async move {
                    let mut object = $crate::store::checkout(&inner, pool.get()).await?;
                    object.immediate_transaction(async move |$conn| $body).await
                })
                .await
            }
            $crate::store::Pools::Postgres(pool) => {
                let pool = pool.clone();
                $crate::store::in_own_task(async move {
                    let mut object = $crate::store::checkout(&inner, pool.get()).await?;
                    diesel_async::AsyncConnection::transaction(&mut *object, async move |$conn| $body).await
                })
                .await
            }
        }
    }};
}

/// Functions over a connection, for the bodies of `read!` and `write!`: written once as free functions, compiled
/// for each kind of connection as methods of a trait, so that `conn.name(arguments)` finds its own. Their
/// arguments own what they hold.
///
/// A generic function would have to name what every expression in it needs of the database. The futures are
/// boxed so that they are compiled here, once: an `async fn` is compiled anew in each program that calls it,
/// and these queries took minutes in each.
macro_rules! on_connections {
    (
        trait $name:ident;
        $(
            $(#[$doc:meta])*
            async fn $function:ident($conn:ident: Db $(, $argument:ident: $type:ty)* $(,)?) -> $answer:ty $body:block
        )+
    ) => {
        pub(crate) trait $name {
            $($(#[$doc])* fn $function(&mut self $(, $argument: $type)*) -> $crate::store::Answer<'_, $answer>;)+
        }
        impl $name for $crate::backend::sqlite::Connection {
            $(fn $function(&mut self $(, $argument: $type)*) -> $crate::store::Answer<'_, $answer> {
                Box::pin(async move { let $conn = self; $body })
            })+
        }
        impl $name for $crate::backend::postgres::Connection {
            $(fn $function(&mut self $(, $argument: $type)*) -> $crate::store::Answer<'_, $answer> {
                Box::pin(async move { let $conn = self; $body })
            })+
        }
    };
}

/// What a function over a connection comes to.
pub(crate) type Answer<'conn, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'conn>>;

pub(crate) use {on_connections, read, write};

/// Runs a database call in a task of its own, so that dropping the caller's future (a client that hangs up)
/// does not stop it half-way. Stopped, it would give its connection back with a transaction open or a query
/// still running, and whether the change was made would depend on the moment.
pub(crate) async fn in_own_task<T, F>(call: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
{
    tokio::spawn(call).await.map_err(StoreError::Aborted)?
}

/// A connection from the pool, or `Busy` when none comes free in time.
pub(crate) async fn checkout<T>(
    inner: &Inner,
    taken: impl Future<Output = Result<T, PoolError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(CHECKOUT_TIMEOUT, taken).await {
        Ok(object) => object.map_err(|error| StoreError::from_pool(&inner.database, error)),
        Err(_elapsed) => Err(StoreError::Busy),
    }
}

impl Store {
    /// Opens the database, makes it if it is a SQLite file that is not there yet, and brings its tables up to
    /// date.
    ///
    /// `url` is a path, `sqlite:PATH` or `postgres://USER@HOST/DATABASE`. The folder of a SQLite file must
    /// exist.
    ///
    /// # Errors
    /// [`StoreError::TooNew`] for a database that a newer version has changed, which stays as it is;
    /// [`StoreError::Open`] for one that cannot be reached, read or written.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url, Missing::Run, false).await?;
        store.set_clock().await?;
        Ok(store)
    }

    /// Opens the database as the one server that uses it, until the last clone is dropped. A second one would take the
    /// tasks of the first for interrupted, and put its pictures into another folder.
    ///
    /// # Errors
    /// As [`Store::open`], and [`StoreError::Owned`] while another owns it.
    pub async fn own(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url, Missing::Run, true).await?;
        store.set_clock().await?;
        tracing::info!(database = store.inner.database, "database open");
        Ok(store)
    }

    /// Opens a database to be looked at: it is neither made nor brought up to date.
    ///
    /// # Errors
    /// As [`Store::open`], and [`StoreError::TooOld`] for a database that the next `open` would change.
    pub async fn look(url: &str) -> Result<Self, StoreError> {
        Self::connect(url, Missing::Refuse, false).await
    }

    async fn connect(url: &str, missing: Missing, own: bool) -> Result<Self, StoreError> {
        let address = Address::parse(url)?;
        let database = address.display();
        // Owned before it is opened: what is opened may be migrated.
        let (owner, pools) = match address {
            Address::Sqlite(path) => {
                let owner = own.then(|| sqlite::own(&database, &path)).transpose()?;
                (owner.map(Owner::Sqlite), sqlite::open(&database, path, missing).await?)
            }
            Address::Postgres(config) => {
                let owner = match own {
                    true => Some(postgres::own(&database, (*config).clone()).await?),
                    false => None,
                };
                (owner.map(Owner::Postgres), Pools::Postgres(postgres::open(&database, *config, missing).await?))
            }
        };
        Ok(Self { inner: Arc::new(Inner { database, pools, owner }) })
    }

    /// Has new times come after those that are stored: the machine's clock may have been set back since.
    async fn set_clock(&self) -> Result<(), StoreError> {
        use crate::schema::{projects, takes};
        let (projects, takes): (Option<i64>, Option<Option<i64>>) = read!(self, |conn| {
            let changed = projects::updated_at.lt(LATEST_MS);
            let changed = projects::table.filter(changed).select(diesel::dsl::max(projects::updated_at));
            let finished = takes::table.filter(takes::finished_at.lt(LATEST_MS));
            let finished = finished.order(takes::finished_at.desc()).select(takes::finished_at);
            Ok((changed.first(conn).await?, finished.first(conn).await.optional()?))
        })?;
        [projects, takes.flatten()].into_iter().flatten().for_each(not_before);
        Ok(())
    }

    /// Whether this is the one server that uses the database.
    pub fn is_owner(&self) -> bool {
        self.inner.owner.is_some()
    }

    /// Whether the database answers a query over its tables.
    pub async fn ping(&self) -> Result<(), StoreError> {
        use crate::schema::projects;
        read!(self, |conn| {
            projects::table.select(projects::id).limit(1).load::<i64>(conn).await?;
            Ok(())
        })
    }

    /// Ends the store: lets the writes that wait finish, folds SQLite's log into its file, and closes every
    /// connection. Calls on any clone answer [`StoreError::Closed`] from then on. Closing twice is harmless.
    pub async fn close(&self) -> Result<(), StoreError> {
        match &self.inner.pools {
            Pools::Sqlite { writer, readers } => {
                // The queue is in order: once we hold the writer, every earlier write is done.
                let inner = Arc::clone(&self.inner);
                let (writer, readers) = (writer.clone(), readers.clone());
                in_own_task(async move {
                    let held = checkout(&inner, writer.get()).await;
                    writer.close();
                    readers.close();
                    match held {
                        Ok(mut connection) => sqlite::fold_log(&mut connection).await,
                        Err(StoreError::Closed) => Ok(()),
                        Err(error) => Err(error),
                    }
                })
                .await
            }
            Pools::Postgres(pool) => {
                pool.close();
                Ok(())
            }
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("database", &self.inner.database).finish_non_exhaustive()
    }
}
