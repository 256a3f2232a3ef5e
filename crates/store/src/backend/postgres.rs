//! PostgreSQL: a server, for several machines.

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

/// Connections at once for one server process.
const CONNECTIONS: usize = 8;

/// How long a silent host is waited for, unless the address says otherwise (`connect_timeout`).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The advisory lock under which migrations run; any constant of our own.
const MIGRATION_LOCK: i64 = 0x656d_6265_726c_696e;

/// Reaches the server, brings the tables up to date and gives the pool.
pub(crate) async fn open(database: &str, mut config: Config, missing: Missing) -> Result<Pool<Connection>, StoreError> {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("emberline");
    }
    let first = connect(&config).await.map_err(|error| unreachable_error(database, Box::new(error)))?;
    let name = database.to_owned();
    // The harness for migrations blocks, so it gets a thread for it.
    tokio::task::spawn_blocking(move || prepare(&name, first, missing)).await.map_err(StoreError::Aborted)??;

    let mut manager = ManagerConfig::<Connection>::default();
    manager.custom_setup = Box::new(move |_url| {
        let config = config.clone();
        Box::pin(async move { connect(&config).await.map_err(ConnectFault::into_connection_error) })
    });
    Pool::builder(AsyncDieselConnectionManager::new_with_config(database, manager))
        .max_size(CONNECTIONS)
        .build()
        .map_err(|error| StoreError::Open { database: database.to_owned(), fault: OpenFault::Other(Box::new(error)) })
}

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
enum ConnectFault {
    #[error(transparent)]
    Reach(#[from] tokio_postgres::Error),
    #[error(transparent)]
    Setup(#[from] ConnectionError),
}

impl ConnectFault {
    fn into_connection_error(self) -> ConnectionError {
        match self {
            Self::Reach(error) => ConnectionError::BadConnection(crate::error::chain(&error)),
            Self::Setup(error) => error,
        }
    }
}

/// One connection. Made here and not by diesel-async's `establish`, whose error keeps no cause ("error
/// connecting to server").
async fn connect(config: &Config) -> Result<Connection, ConnectFault> {
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
