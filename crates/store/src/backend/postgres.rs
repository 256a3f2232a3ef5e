//! PostgreSQL.

use super::reach::Reach;
use crate::migrate::{self, MigrateError, Missing};
use crate::timing::Timing;
use crate::{OpenFault, StoreError};
use diesel::connection::{CacheSize, SimpleConnection};
use diesel::prelude::*;
use diesel_async::{
    AsyncConnection, AsyncPgConnection, SimpleAsyncConnection,
    async_connection_wrapper::AsyncConnectionWrapper,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool::Pool},
};
use std::time::{Duration, Instant};
use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::{
    Client, Row, SimpleQueryMessage, SimpleQueryRow,
    types::{ToSql, Type},
};

/// A connection over tokio-postgres; no libpq is needed.
pub(crate) type Connection = AsyncPgConnection;

/// Connections in the pool.
const CONNECTIONS: usize = 8;

/// Key of the advisory lock for migrations (an arbitrary constant).
const MIGRATION_LOCK: i64 = 0x656d_6265_726c_696e;

/// Settings of the pool's connections. All changes wait for a transaction that has taken numbers from the log: one whose process
/// hangs is ended, and nobody waits for another one for long.
const SETUP: &str = "SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '3s'";

/// Settings of a transaction that may wait for long, and for which others wait.
pub(crate) const PATIENT: &str = "SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// Connects, migrates the tables and returns the pool.
pub(crate) async fn open(database: &str, reach: Reach, missing: Missing) -> Result<Pool<Connection>, StoreError> {
    let first = connect(&reach).await.map_err(|error| unreachable_error(database, Box::new(error)))?;
    let name = database.to_owned();
    // The migration harness blocks, so it runs on a blocking thread.
    tokio::task::spawn_blocking(move || prepare(&name, first, missing)).await.map_err(StoreError::Aborted)??;

    let mut manager = ManagerConfig::<Connection>::default();
    if reach.is_pooled {
        // The usual test query is prepared in one transaction and run in another.
        manager.recycling_method = RecyclingMethod::CustomFunction(Box::new(|connection| {
            Box::pin(SimpleAsyncConnection::batch_execute(connection, "SELECT 1"))
        }));
    }
    manager.custom_setup = Box::new(move |_url| {
        let reach = reach.clone();
        Box::pin(async move {
            let mut connection = connect(&reach).await.map_err(ConnectFailure::into_connection_error)?;
            let setup = SimpleAsyncConnection::batch_execute(&mut connection, SETUP).await;
            setup.map(|()| connection).map_err(ConnectionError::CouldntSetupConfiguration)
        })
    });
    Pool::builder(AsyncDieselConnectionManager::new_with_config(database, manager))
        .max_size(CONNECTIONS)
        .build()
        .map_err(|error| StoreError::Open { database: database.to_owned(), fault: OpenFault::Other(Box::new(error)) })
}

/// One connection for statements of one purpose: opened when it is needed, and again after an error.
pub(crate) struct Line {
    database: String,
    reach: Reach,
    /// Statements that each new connection begins with.
    setup: &'static str,
    /// Statements before each [`Line::query`], in its transaction.
    before: &'static str,
    timing: Timing,
    session: tokio::sync::Mutex<Option<Session>>,
}

struct Session {
    client: Client,
    /// Drives the connection.
    driver: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Line {
    pub(crate) fn new(database: &str, reach: Reach, name: &str, setup: &'static str) -> Self {
        let reach = reach.named(name);
        let (timing, session) = Default::default();
        Self { database: database.to_owned(), reach, setup, before: "", timing, session }
    }

    /// With statements before each [`Line::query`], in its transaction: a setting of the connection would not stay with it behind
    /// a pooler, and would become that of others.
    pub(crate) fn beginning_with(self, before: &'static str) -> Self {
        Self { before, ..self }
    }

    /// The calls that were answered, and their time.
    pub(crate) fn timing(&self) -> &Timing {
        &self.timing
    }

    /// The answer to statements that the database answers within `at_most`. They are one transaction.
    pub(crate) async fn query(&self, sql: &str, at_most: Duration) -> Result<Vec<SimpleQueryMessage>, StoreError> {
        let sql = format!("{}{sql}", self.before);
        self.ask(at_most, &self.timing, async |client| client.simple_query(&sql).await).await
    }

    /// As [`Line::query`], for a statement that only reads, and whose time is counted elsewhere.
    pub(crate) async fn read(
        &self,
        sql: &str,
        at_most: Duration,
        timing: &Timing,
    ) -> Result<Vec<SimpleQueryMessage>, StoreError> {
        self.ask(at_most, timing, async |client| client.simple_query(sql).await).await
    }

    /// The rows of one statement with bound values, which the database answers within `at_most`.
    pub(crate) async fn query_with(
        &self,
        sql: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
        at_most: Duration,
    ) -> Result<Vec<Row>, StoreError> {
        self.ask(at_most, &self.timing, async |client| client.query_typed(sql, values).await).await
    }

    async fn ask<T>(
        &self,
        at_most: Duration,
        timing: &Timing,
        question: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreError> {
        let mut held = self.session.lock().await;
        let answer = timeout(at_most, async {
            // Taken out: a session whose statement did not end is not used again.
            let session = match held.take().filter(|session| !session.client.is_closed()) {
                Some(session) => session,
                None => self.connect().await?,
            };
            let began = Instant::now();
            let answer = question(&session.client).await?;
            timing.add(1, began.elapsed());
            *held = Some(session);
            Ok::<_, tokio_postgres::Error>(answer)
        });
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| unreachable_error(&self.database, source);
        match answer.await {
            Ok(answer) => answer.map_err(|error| failed(Box::new(error))),
            Err(elapsed) => Err(failed(Box::new(elapsed))),
        }
    }

    async fn connect(&self) -> Result<Session, tokio_postgres::Error> {
        let (client, connection) = self.reach.connect().await?;
        let driver = tokio::spawn(async move { drop(connection.await) });
        let session = Session { client, driver };
        if !self.setup.is_empty() {
            session.client.batch_execute(self.setup).await?;
        }
        Ok(session)
    }
}

/// The rows of an answer.
pub(crate) fn rows(answer: &[SimpleQueryMessage]) -> impl Iterator<Item = &SimpleQueryRow> {
    answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })
}

/// Why a connection failed.
#[derive(Debug, thiserror::Error)]
enum ConnectFailure {
    #[error(transparent)]
    Reach(#[from] tokio_postgres::Error),
    #[error(transparent)]
    Setup(#[from] ConnectionError),
}

impl ConnectFailure {
    fn into_connection_error(self) -> ConnectionError {
        match self {
            Self::Reach(error) => ConnectionError::BadConnection(crate::error::chain(&error)),
            Self::Setup(error) => error,
        }
    }
}

/// Opens one connection. diesel-async's `establish` is not used because its error drops the cause ("error connecting to
/// server").
async fn connect(reach: &Reach) -> Result<Connection, ConnectFailure> {
    let (client, mut driver) = reach.connect().await?;
    if reach.is_pooled {
        // diesel prepares its settings, and a prepared statement belongs to one connection to PostgreSQL.
        tokio::select! {
            begun = client.batch_execute("BEGIN") => begun?,
            ended = &mut driver => ended?,
        }
    }
    let mut connection = Connection::try_from_client_and_connection(client, driver).await?;
    if reach.is_pooled {
        AsyncConnection::set_prepared_statement_cache_size(&mut connection, CacheSize::Disabled);
        let committed = SimpleAsyncConnection::batch_execute(&mut connection, "COMMIT").await;
        committed.map_err(ConnectionError::CouldntSetupConfiguration)?;
    }
    Ok(connection)
}

fn prepare(database: &str, connection: Connection, missing: Missing) -> Result<(), StoreError> {
    let mut connection = AsyncConnectionWrapper::<Connection>::from(connection);
    diesel::Connection::transaction(&mut connection, |connection| {
        SimpleConnection::batch_execute(
            connection,
            &format!("{PATIENT}; SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"),
        )?;
        migrate::run(connection, migrate::POSTGRES, missing)
    })
    .map_err(|error: MigrateError| error.into_store_error(database))
}

fn unreachable_error(database: &str, source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Open { database: database.to_owned(), fault: OpenFault::Unreachable(source) }
}
