//! PostgreSQL.

use crate::migrate::{self, MigrateError, Missing};
use crate::{OpenFault, StoreError};
use diesel::connection::{Connection as _, SimpleConnection};
use diesel::prelude::*;
use diesel_async::{
    AsyncPgConnection,
    async_connection_wrapper::AsyncConnectionWrapper,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, deadpool::Pool},
};
use std::time::Duration;
use tokio_postgres::{NoTls, config::Config};

/// A connection over tokio-postgres; no libpq is needed.
pub(crate) type Connection = AsyncPgConnection;

/// Connections in the pool.
const CONNECTIONS: usize = 8;

/// How long to wait for a host that does not answer, unless the address sets `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Key of the advisory lock for migrations (an arbitrary constant).
const MIGRATION_LOCK: i64 = 0x656d_6265_726c_696e;

/// Key of the advisory lock of the one server that uses the database.
const OWNER_LOCK: i64 = 0x656d_6265_726c_6f77;

/// Delay between attempts to reopen a lost session.
const SESSION_RETRY: Duration = Duration::from_secs(2);

/// Connects, migrates the tables and returns the pool.
pub(crate) async fn open(database: &str, mut config: Config, missing: Missing) -> Result<Pool<Connection>, StoreError> {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("emberline");
    }
    let first = connect(&config).await.map_err(|error| unreachable_error(database, Box::new(error)))?;
    let name = database.to_owned();
    // The migration harness blocks, so it runs on a blocking thread.
    tokio::task::spawn_blocking(move || prepare(&name, first, missing)).await.map_err(StoreError::Aborted)??;

    let mut manager = ManagerConfig::<Connection>::default();
    manager.custom_setup = Box::new(move |_url| {
        let config = config.clone();
        Box::pin(async move { connect(&config).await.map_err(ConnectFailure::into_connection_error) })
    });
    Pool::builder(AsyncDieselConnectionManager::new_with_config(database, manager))
        .max_size(CONNECTIONS)
        .build()
        .map_err(|error| StoreError::Open { database: database.to_owned(), fault: OpenFault::Other(Box::new(error)) })
}

/// A session that holds the owner's lock until it is dropped.
pub(crate) struct Session {
    keeper: tokio::task::JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Takes the lock of the one server that uses the database. The lock belongs to a session of its own, so a server that is
/// killed leaves no lock behind. A lost session is opened again.
pub(crate) async fn own(database: &str, mut config: Config) -> Result<Session, StoreError> {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    config.application_name("emberline (owner)");
    let lock = take_lock(&config).await.map_err(|error| unreachable_error(database, Box::new(error)))?;
    let Some(mut held) = lock else { return Err(StoreError::Owned { database: database.to_owned() }) };
    let name = database.to_owned();
    let keeper = tokio::spawn(async move {
        loop {
            held.ended().await;
            held = loop {
                tokio::time::sleep(SESSION_RETRY).await;
                match take_lock(&config).await {
                    Ok(Some(again)) => break again,
                    Ok(None) => {
                        tracing::error!(
                            database = name,
                            "another emberline uses the database as well; stop one of the two"
                        )
                    }
                    // The database is unreachable; every other call reports that.
                    Err(_) => {}
                }
            };
        }
    });
    Ok(Session { keeper })
}

/// A connection that holds the lock.
struct Held {
    /// Drives the connection; ends with it.
    driver: tokio::task::JoinHandle<()>,
    client: tokio_postgres::Client,
}

impl Held {
    async fn ended(&mut self) {
        // A panic in the driver ends the connection as well.
        let _ = (&mut self.driver).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Connects and tries to lock. None while another session has the lock.
async fn take_lock(config: &Config) -> Result<Option<Held>, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    let driver = tokio::spawn(async move { drop(connection.await) });
    let held = Held { driver, client };
    // If this machine loses its network, PostgreSQL notices by keepalives (first after 30 s) and releases the lock within
    // a minute.
    let keepalives = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3";
    held.client.batch_execute(keepalives).await?;
    let row = held.client.query_one("SELECT pg_try_advisory_lock($1)", &[&OWNER_LOCK]).await?;
    Ok(row.get::<_, bool>(0).then_some(held))
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
async fn connect(config: &Config) -> Result<Connection, ConnectFailure> {
    let (client, connection) = config.connect(NoTls).await?;
    Ok(Connection::try_from_client_and_connection(client, connection).await?)
}

fn prepare(database: &str, connection: Connection, missing: Missing) -> Result<(), StoreError> {
    let mut connection = AsyncConnectionWrapper::<Connection>::from(connection);
    connection
        .transaction(|connection| {
            connection.batch_execute(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))?;
            migrate::run(connection, migrate::POSTGRES, missing)
        })
        .map_err(|error: MigrateError| error.into_store_error(database))
}

fn unreachable_error(database: &str, source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Open { database: database.to_owned(), fault: OpenFault::Unreachable(source) }
}
