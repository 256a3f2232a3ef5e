//! SQLite: one file, one writing connection, several reading connections.

use super::Pools;
use super::files::{self, file_fault, folder_fault};
use crate::migrate::{self, MigrateError, Missing};
use crate::{OpenFault, StoreError};
use diesel::connection::{Connection as _, SimpleConnection};
use diesel::prelude::*;
use diesel_async::{
    AsyncConnection as _, SimpleAsyncConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool::Pool},
    sync_connection_wrapper::SyncConnectionWrapper,
};
use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

/// A connection: each query runs on a blocking thread of tokio's.
pub(crate) type Connection = SyncConnectionWrapper<SqliteConnection>;

/// Reading connections. Queries are short, and each running one holds a blocking thread.
const READERS: usize = 4;

/// Settings of every connection.
/// - `busy_timeout`: milliseconds to wait for another *process*, such as `sqlite3` in a terminal or a backup.
/// - `synchronous = FULL`: syncs the log at each commit. `NORMAL` also survives `kill -9`, but a power failure may undo
///   the newest commits, and acknowledged changes must last. It costs one sync for each write, and writes are rare.
/// - `foreign_keys`: off by default in SQLite, in every new connection.
const PRAGMAS: &str = "PRAGMA busy_timeout = 10000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

/// Reading connections refuse to write.
const READER_PRAGMAS: &str = "PRAGMA query_only = ON;";

/// Files above this size (bytes) are not checked at each start: `quick_check` reads the whole file (0.08 s for 32 MiB
/// with 100,000 tasks).
const CHECKED_AT_START: u64 = 512 << 20;

pub(crate) use files::own;

/// Opens the pools. With [`Missing::Run`], first creates the file if it does not exist and migrates its tables.
pub(crate) async fn open(database: &str, path: PathBuf, missing: Missing) -> Result<Pools, StoreError> {
    let name = database.to_owned();
    let path_text = match missing {
        Missing::Run => path.display().to_string(),
        Missing::Refuse => read_only_uri(&path),
    };
    tokio::task::spawn_blocking(move || match missing {
        Missing::Run => prepare(&name, &path),
        Missing::Refuse => look(&name, &path),
    })
    .await
    .map_err(StoreError::Aborted)??;
    Ok(Pools::Sqlite {
        writer: pool(database, &path_text, 1, "")?,
        readers: pool(database, &path_text, READERS, READER_PRAGMAS)?,
    })
}

/// Merges the write-ahead log into the file, so that the file alone is the whole database.
pub(crate) async fn merge_log(connection: &mut Connection) -> Result<(), StoreError> {
    Ok(connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").await?)
}

fn pool(database: &str, path: &str, size: usize, more: &'static str) -> Result<Pool<Connection>, StoreError> {
    let mut config = ManagerConfig::<Connection>::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |path| {
        Box::pin(async move {
            let mut connection = Connection::establish(path).await?;
            let setup = connection.batch_execute(PRAGMAS).await;
            let setup = if setup.is_ok() { connection.batch_execute(more).await } else { setup };
            setup.map(|()| connection).map_err(ConnectionError::CouldntSetupConfiguration)
        })
    });
    Pool::builder(AsyncDieselConnectionManager::new_with_config(path, config))
        .max_size(size)
        .build()
        .map_err(|error| open_error(database, OpenFault::Other(Box::new(error))))
}

/// The path, or URI, that opens a file without changing it. After an unclean end the file has a write-ahead log, and the
/// last connection to close would merge it into the file; `mode=ro` prevents that.
fn read_only_uri(path: &Path) -> String {
    let text = path.display().to_string();
    if !files::log_of(path).exists() {
        return text;
    }
    let mut uri = String::from("file:");
    for c in text.chars() {
        match c {
            '%' | '?' | '#' => uri.extend(format!("%{:02x}", u32::from(c)).chars()),
            c => uri.push(c),
        }
    }
    uri + "?mode=ro"
}

fn prepare(database: &str, path: &Path) -> Result<(), StoreError> {
    if let Some(fault) = files::log_alone(path) {
        return Err(open_error(database, fault));
    }
    files::create(path);
    let mut connection = SqliteConnection::establish(&path.display().to_string())
        .map_err(|error| open_error(database, diagnosed(path, Box::new(error))))?;
    connection.batch_execute(PRAGMAS).map_err(|error| query_error(database, path, error))?;
    let foreign = is_foreign(&mut connection).map_err(|error| query_error(database, path, error))?;
    if foreign {
        return Err(open_error(database, OpenFault::Foreign("it holds another program's tables")));
    }
    quick_check(&mut connection, database, path)?;
    use_wal(&mut connection, database, path)?;
    migrate_with_copy(&mut connection, path).map_err(|error| match error {
        MigrateError::Query(error) => query_error(database, path, error),
        error => error.into_store_error(database),
    })?;
    // SQLite opens a read-only file without an error, even for an IMMEDIATE transaction. This statement changes nothing,
    // but fails if the file cannot be written.
    connection.batch_execute("DELETE FROM projects WHERE FALSE").map_err(|error| query_error(database, path, error))
}

/// Migrates the tables. Copies a database that is not new first.
fn migrate_with_copy(connection: &mut SqliteConnection, path: &Path) -> Result<(), MigrateError> {
    let pending = connection.immediate_transaction(|connection| migrate::pending(connection, &migrate::SQLITE))?;
    if let (false, Some(version)) = (pending.is_new, pending.versions.first()) {
        files::copy_before(connection, path, version).map_err(MigrateError::Refused)?;
    }
    connection.immediate_transaction(|connection| migrate::run(connection, migrate::SQLITE, Missing::Run))
}

/// Refuses a file with damaged pages before anything is written to it.
fn quick_check(connection: &mut SqliteConnection, database: &str, path: &Path) -> Result<(), StoreError> {
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if bytes > CHECKED_AT_START {
        tracing::info!(
            database,
            mib = bytes >> 20,
            "too large to be checked at each start; `emberline doctor` checks it"
        );
        return Ok(());
    }
    // A row that violates a CHECK constraint is not damage: lists skip such rows.
    let pragmas = "PRAGMA ignore_check_constraints = ON";
    connection.batch_execute(pragmas).map_err(|error| query_error(database, path, error))?;
    let query = diesel::dsl::sql::<diesel::sql_types::Text>("PRAGMA quick_check(100)");
    let lines: Vec<String> =
        RunQueryDsl::load(query, connection).map_err(|error| query_error(database, path, error))?;
    let pragmas = "PRAGMA ignore_check_constraints = OFF";
    connection.batch_execute(pragmas).map_err(|error| query_error(database, path, error))?;
    match lines.into_iter().find(|line| is_damage(line)) {
        Some(line) => Err(open_error(database, OpenFault::Damaged(one_line(&line)))),
        None => Ok(()),
    }
}

/// Whether a line of `integrity_check` reports damaged pages or indexes, and not a row that violates a constraint.
fn is_damage(line: &str) -> bool {
    line != "ok" && !line.contains(" value in ") && !line.starts_with("CHECK constraint failed")
}

/// Joins SQLite's message about a damaged page, which has several lines.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// What SQLite finds wrong with the file; empty for a healthy file.
pub(crate) async fn integrity(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    let query = diesel::dsl::sql::<diesel::sql_types::Text>("PRAGMA integrity_check(100)");
    match diesel_async::RunQueryDsl::load::<String>(query, connection).await.map_err(StoreError::from) {
        Ok(lines) => Ok(lines.iter().filter(|line| line.as_str() != "ok").map(|line| one_line(line)).collect()),
        // The damage makes the check itself fail.
        Err(StoreError::Damaged { message }) => Ok(vec![message]),
        Err(error) => Err(error),
    }
}

/// Switches the file to WAL mode, in which readers and the writer do not block each other. The mode is stored in the file.
///
/// Retries when busy: if two processes open a new file at once, SQLite refuses one of them immediately, whatever its
/// busy timeout, because waiting would deadlock.
fn use_wal(connection: &mut SqliteConnection, database: &str, path: &Path) -> Result<(), StoreError> {
    const TRIES: u32 = 100;
    let mut switch = || {
        let switched = connection.batch_execute("PRAGMA journal_mode = WAL");
        switched.map_err(|error| query_error(database, path, error))
    };
    for _ in 1..TRIES {
        match switch() {
            Err(StoreError::Busy) => std::thread::sleep(Duration::from_millis(20)),
            done => return done,
        }
    }
    switch()
}

/// Checks that the file is an Emberline database with current tables. Changes nothing.
fn look(database: &str, path: &Path) -> Result<(), StoreError> {
    if let Some(fault) = files::log_alone(path) {
        return Err(open_error(database, fault));
    }
    // SQLite would create a missing file.
    std::fs::metadata(path)
        .map_err(|source| open_error(database, OpenFault::File { path: path.display().to_string(), source }))?;
    let mut connection = SqliteConnection::establish(&read_only_uri(path))
        .map_err(|error| open_error(database, diagnosed(path, Box::new(error))))?;
    let pragmas = format!("{PRAGMAS} {READER_PRAGMAS}");
    connection.batch_execute(&pragmas).map_err(|error| query_error(database, path, error))?;
    let ours = "EXISTS (SELECT 1 FROM sqlite_master WHERE name = '__diesel_schema_migrations')";
    let ours = diesel::select(diesel::dsl::sql::<diesel::sql_types::Bool>(ours)).get_result(&mut connection);
    if !ours.map_err(|error| query_error(database, path, error))? {
        return Err(open_error(database, OpenFault::Foreign("it has none of our tables")));
    }
    migrate::run(&mut connection, migrate::SQLITE, Missing::Refuse).map_err(|error| match error {
        MigrateError::Query(error) => query_error(database, path, error),
        error => error.into_store_error(database),
    })
}

/// Whether the file has tables but not the one that records our migrations.
fn is_foreign(connection: &mut SqliteConnection) -> QueryResult<bool> {
    let condition = diesel::dsl::sql::<diesel::sql_types::Bool>(
        "EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table') \
         AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE name = '__diesel_schema_migrations')",
    );
    diesel::select(condition).get_result(connection)
}

fn open_error(database: &str, fault: OpenFault) -> StoreError {
    StoreError::Open { database: database.to_owned(), fault }
}

fn query_error(database: &str, path: &Path, error: diesel::result::Error) -> StoreError {
    let text = error.to_string();
    match StoreError::from(error) {
        _ if text.contains("file is not a database") => {
            open_error(database, OpenFault::Foreign("it is no SQLite file"))
        }
        StoreError::Damaged { message } => open_error(database, OpenFault::Damaged(message)),
        StoreError::Database(error) => open_error(database, diagnosed(path, Box::new(error))),
        StoreError::ReadOnly { .. } | StoreError::Disk { .. } => open_error(database, diagnosed(path, text.into())),
        other => other,
    }
}

/// The operating system's reason for a failure. SQLite only says "unable to open database file" or "attempt to write a
/// readonly database", whatever the cause.
///
/// Call it only after SQLite has failed: opening and closing a file that SQLite has open in this process would drop
/// SQLite's locks.
fn diagnosed(path: &Path, error: Box<dyn std::error::Error + Send + Sync>) -> OpenFault {
    if let Some(fault) = folder_fault(path) {
        return fault;
    }
    let folder = path.parent().unwrap_or(path);
    if path.is_dir() {
        return file_fault(path, std::io::ErrorKind::IsADirectory.into());
    }
    if path.exists()
        && let Err(source) = std::fs::OpenOptions::new().read(true).write(true).open(path)
    {
        return file_fault(path, source);
    }
    // SQLite must be able to create its log in the folder.
    let probe = folder.join(format!(".emberline-probe-{}", std::process::id()));
    // The size of the log's index: on a full disk an empty file can still be created.
    let written = std::fs::File::create_new(&probe).and_then(|mut file| file.write_all(&[0; 32 << 10]));
    let _ = std::fs::remove_file(&probe);
    match written {
        Err(source) => file_fault(folder, source),
        Ok(()) => OpenFault::Other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diesel::dsl::sql;
    use diesel::sql_types::BigInt;
    use diesel_async::RunQueryDsl;

    #[tokio::test]
    async fn every_connection_is_set_up_and_readers_cannot_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let pools = open("test", folder.path().join("a.sqlite"), Missing::Run).await.expect("opens");
        let Pools::Sqlite { writer, readers } = pools else { panic!("it is SQLite") };
        for pool in [&writer, &readers] {
            let mut connection = pool.get().await.expect("a connection");
            // synchronous: 2 is FULL.
            for (pragma, value) in [("foreign_keys", 1), ("synchronous", 2), ("busy_timeout", 10_000)] {
                let query = sql::<BigInt>(&format!("PRAGMA {pragma}"));
                let set: i64 = query.get_result(&mut *connection).await.expect("the pragma");
                assert_eq!(set, value, "{pragma}");
            }
        }
        let mut reader = readers.get().await.expect("a reader");
        let refused = reader.batch_execute("DELETE FROM projects").await.expect_err("it only reads");
        assert!(refused.to_string().contains("readonly"), "{refused}");
    }
}
