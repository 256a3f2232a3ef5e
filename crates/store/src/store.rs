//! The store: opening, closing, and the connection pools behind one handle.

use crate::backend::{Pools, Reach, postgres, sqlite};
use crate::changes::{Change, LogEntry, Subscriber};
use crate::clock::{LATEST_MS, not_before};
use crate::log::{Tail, TailError, WakeUps};
use crate::migrate::Missing;
use crate::needs::{FindNeeds, Needs};
use crate::runs::{Leases, Own};
use crate::timing::Counts;
use crate::transaction::{checkout, in_own_task, read};
use crate::url::Address;
use crate::{OpenFault, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::Parameters;
use std::{
    fs::File,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

/// The database. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// The database, for parts that the store's subscriber holds: it does not keep the store alive.
#[derive(Clone)]
pub struct WeakStore(Weak<Inner>);

impl WeakStore {
    /// The store; none after its last clone was dropped.
    pub fn upgrade(&self) -> Option<Store> {
        self.0.upgrade().map(|inner| Store { inner })
    }
}

impl std::fmt::Debug for WeakStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeakStore").finish_non_exhaustive()
    }
}

pub(crate) struct Inner {
    /// The database's name for messages, without a password.
    pub(crate) database: String,
    pub(crate) pools: Pools,
    /// The lock of the one server that uses a SQLite file: see [`Store::own`]. It lasts as long as the file is open.
    _owner: Option<File>,
    subscriber: OnceLock<Arc<dyn Subscriber>>,
    count_steps: OnceLock<fn(&Parameters) -> u32>,
    pub(crate) find_needs: OnceLock<FindNeeds>,
    /// Follows the log for the subscriber, on PostgreSQL.
    tail: OnceLock<Tail>,
    /// For a process that does not follow the log.
    pub(crate) wake_ups: WakeUps,
    /// How PostgreSQL is reached.
    pub(crate) reach: Option<Reach>,
    /// Renews the leases of runs, on PostgreSQL.
    pub(crate) leases: Option<Leases>,
    pub(crate) own: Own,
    /// For metrics.
    pub(crate) counts: Arc<Counts>,
}

impl Inner {
    /// Hands the changes of a transaction to the subscriber, if it is not one that follows PostgreSQL's log. On SQLite the caller
    /// ensures the order.
    pub(crate) fn announce(&self, changes: Vec<Change>) {
        if let Some(subscriber) = self.subscriber.get().filter(|_| !changes.is_empty()) {
            subscriber.committed(changes.into_iter().map(|change| LogEntry { seq: None, change }).collect());
        }
    }

    /// Waits until an entry of PostgreSQL's log is handed to this process's subscriber, if it follows the log.
    async fn published(&self, seq: Option<u64>) {
        if let (Some(seq), Some(tail)) = (seq, self.tail.get()) {
            tail.published(seq).await;
        }
    }

    /// Hands the changes of a transaction on PostgreSQL, whose last entry in the log is `seq`, to the subscriber: with those of all
    /// others, if it follows the log.
    pub(crate) async fn committed(&self, changes: Vec<Change>, seq: Option<u64>) {
        match self.tail.get() {
            Some(_) => self.published(seq).await,
            None => self.announce(changes),
        }
    }

    /// What a task with these parameters needs.
    pub(crate) fn needs(&self, of: &Parameters) -> Needs {
        self.find_needs.get().map(|find| find(of)).unwrap_or_default()
    }

    /// The number of sampling steps of a task.
    pub(crate) fn total_steps(&self, of: &Parameters) -> u32 {
        self.count_steps.get().map_or(of.steps, |count| count(of))
    }
}

impl Store {
    /// Opens the database and migrates its tables. Creates a SQLite file that does not exist.
    ///
    /// `url` is a path, `sqlite:PATH` or `postgres://USER@HOST/DATABASE`. The folder of a SQLite file must
    /// exist.
    ///
    /// # Errors
    /// [`StoreError::TooNew`] for a database that a newer version has migrated; it is not changed.
    /// [`StoreError::Open`] for one that cannot be reached, read or written.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url, Missing::Run, false).await?;
        store.set_clock().await?;
        Ok(store)
    }

    /// Opens the database for a server. A SQLite file has one server at a time, until the last clone is dropped: a second one
    /// would treat the running tasks of the first as interrupted. On PostgreSQL several servers share the queue; see
    /// [`Store::begin_start`].
    ///
    /// # Errors
    /// As [`Store::open`], and [`StoreError::Owned`] while another server uses the file.
    pub async fn own(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url, Missing::Run, true).await?;
        store.set_clock().await?;
        tracing::info!(database = store.inner.database, "database open");
        Ok(store)
    }

    /// As [`Store::own`], for a database that `emberline migrate` has brought up to date.
    ///
    /// # Errors
    /// As [`Store::own`], and [`StoreError::TooOld`] for a database that is not.
    pub async fn own_migrated(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url, Missing::Refuse, true).await?;
        store.set_clock().await?;
        tracing::info!(database = store.inner.database, "database open");
        Ok(store)
    }

    /// Opens the database for a worker beside servers. Neither creates nor migrates it.
    ///
    /// # Errors
    /// As [`Store::open`], and [`StoreError::TooOld`] for a database that no server of this version has used yet.
    pub async fn join(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url, Missing::Refuse, false).await?;
        store.set_clock().await?;
        tracing::info!(database = store.inner.database, "database open");
        Ok(store)
    }

    /// Opens a database for reading only. Neither creates nor migrates it.
    ///
    /// # Errors
    /// As [`Store::open`], and [`StoreError::TooOld`] for a database that the next `open` would migrate.
    pub async fn look(url: &str) -> Result<Self, StoreError> {
        Self::connect(url, Missing::Refuse, false).await
    }

    /// As [`Store::look`], and no server uses the SQLite file until the last clone is dropped. On PostgreSQL see
    /// [`Store::begin_start`].
    ///
    /// # Errors
    /// As [`Store::look`], and [`StoreError::Owned`] while a server uses the file.
    pub async fn hold(url: &str) -> Result<Self, StoreError> {
        Self::connect(url, Missing::Refuse, true).await
    }

    async fn connect(url: &str, missing: Missing, own: bool) -> Result<Self, StoreError> {
        let address = Address::parse(url)?;
        let database = address.display();
        let reach = match &address {
            Address::Sqlite(_) => None,
            Address::Postgres(reach) => Some((**reach).clone()),
        };
        let (owner, pools) = match address {
            Address::Sqlite(path) => {
                // The lock comes first: opening may migrate the tables.
                let owner = own.then(|| sqlite::own(&database, &path)).transpose()?;
                (owner, sqlite::open(&database, path, missing).await?)
            }
            Address::Postgres(reach) => (None, Pools::Postgres(postgres::open(&database, *reach, missing).await?)),
        };
        let leases = reach.as_ref().map(|reach| Leases::new(&database, reach));
        Ok(Self {
            inner: Arc::new(Inner {
                database,
                pools,
                _owner: owner,
                subscriber: OnceLock::new(),
                count_steps: OnceLock::new(),
                find_needs: OnceLock::new(),
                tail: OnceLock::new(),
                wake_ups: WakeUps::default(),
                reach,
                leases,
                own: Own::new(),
                counts: Arc::default(),
            }),
        })
    }

    /// A handle that does not keep the store alive.
    pub fn downgrade(&self) -> WeakStore {
        WeakStore(Arc::downgrade(&self.inner))
    }

    /// Ensures that new timestamps are later than the stored ones: the system clock may have been set back.
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

    /// Sets the receiver of all changes that this store and its clones commit from now on. On PostgreSQL it also gets what
    /// the log still has, and the changes of all other servers. Only the first call counts.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached.
    pub async fn subscribe(&self, subscriber: Arc<dyn Subscriber>) -> Result<(), StoreError> {
        match &self.inner.reach {
            None => _ = self.inner.subscriber.set(subscriber),
            Some(_) if self.inner.tail.get().is_some() => {}
            Some(reach) => {
                let (server, counts) = (self.inner.own.holder().server, Arc::clone(&self.inner.counts));
                let started = Tail::start(&self.inner.database, reach.clone(), &server, counts, subscriber).await;
                _ = self.inner.tail.set(started.map_err(|error| self.unreachable(error))?);
            }
        }
        Ok(())
    }

    /// Sets the receiver of the changes that this store and its clones commit from now on, on PostgreSQL too: not of those of others.
    /// Two that are committed at the same time may come in either order. Only the first call of this and [`Store::subscribe`] counts.
    pub fn subscribe_to_own(&self, subscriber: Arc<dyn Subscriber>) {
        self.inner.subscriber.set(subscriber).ok();
    }

    /// Waits until an entry of PostgreSQL's log is handed to the subscriber, but only for some seconds: there may be no such
    /// entry.
    pub async fn published(&self, seq: u64) {
        self.inner.published(Some(seq)).await;
    }

    /// How long the database has not answered this server. Zero on SQLite, and without [`Store::subscribe`].
    pub fn silence(&self) -> Duration {
        self.inner.tail.get().map(Tail::silence).unwrap_or_default()
    }

    pub(crate) fn unreachable(&self, error: TailError) -> StoreError {
        let fault = OpenFault::Unreachable(Box::new(error));
        StoreError::Open { database: self.inner.database.clone(), fault }
    }

    /// Sets how events count a task's sampling steps: the store does not know the schedules. Until then it is the
    /// parameter `steps`. Only the first call counts.
    pub fn count_steps(&self, count: fn(&Parameters) -> u32) {
        self.inner.count_steps.set(count).ok();
    }

    /// From now on projects take turns: the next task is of the project with the fewest tasks before it, running ones included.
    /// Otherwise, and always on SQLite, tasks run in the order in which they were queued.
    pub fn take_turns(&self) {
        if self.is_shared() {
            self.inner.own.take_turns();
        }
    }

    /// Runs a trivial query.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn ping(&self) -> Result<(), StoreError> {
        use crate::schema::projects;
        read!(self, |conn| {
            projects::table.select(projects::id).limit(1).load::<i64>(conn).await?;
            Ok(())
        })
    }

    /// Closes the store: waits for pending writes, merges SQLite's write-ahead log into its file, and closes every
    /// connection. Later calls on any clone return [`StoreError::Closed`]. Closing twice is harmless.
    pub async fn close(&self) -> Result<(), StoreError> {
        match &self.inner.pools {
            Pools::Sqlite { writer, readers } => {
                // The pool's queue is fair: once we hold the writer, every earlier write is done.
                let inner = Arc::clone(&self.inner);
                let (writer, readers) = (writer.clone(), readers.clone());
                in_own_task(async move {
                    let checked_out = checkout(&inner.database, writer.get()).await;
                    writer.close();
                    readers.close();
                    match checked_out {
                        Ok(mut connection) => sqlite::merge_log(&mut connection).await,
                        Err(StoreError::Closed) => Ok(()),
                        Err(error) => Err(error),
                    }
                })
                .await
            }
            Pools::Postgres(pool) => {
                pool.close();
                if let Some(tail) = self.inner.tail.get() {
                    tail.end();
                }
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
