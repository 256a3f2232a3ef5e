//! Migrations of the tables.

use crate::{OpenFault, StoreError};
use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, async_connection_wrapper::AsyncConnectionWrapper};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::collections::BTreeSet;

/// Migrations for SQLite.
pub(crate) const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
/// Migrations for PostgreSQL.
pub(crate) const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Why the tables were not migrated. Becomes a [`StoreError`] once the database's name is known.
pub(crate) enum MigrateError {
    TooNew(Vec<String>),
    TooOld,
    Failed(Box<dyn std::error::Error + Send + Sync>),
    /// Refused before the first migration.
    Refused(OpenFault),
    Query(diesel::result::Error),
}

impl From<diesel::result::Error> for MigrateError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Query(error)
    }
}

impl MigrateError {
    /// Adds the database's name.
    pub(crate) fn into_store_error(self, database: &str) -> StoreError {
        let database = database.to_owned();
        match self {
            Self::TooOld => StoreError::TooOld { database },
            Self::TooNew(unknown) => StoreError::TooNew { database, unknown },
            Self::Failed(source) => StoreError::Open { database, fault: OpenFault::Migration(source) },
            Self::Refused(fault) => StoreError::Open { database, fault },
            Self::Query(error) => match StoreError::from(error) {
                StoreError::Database(error) => StoreError::Open { database, fault: OpenFault::Other(Box::new(error)) },
                other => other,
            },
        }
    }
}

/// What to do about missing migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Run them.
    Run,
    /// Return an error and change nothing.
    Refuse,
}

/// Migrations that the database lacks.
pub(crate) struct Pending {
    /// Whether no migration has run yet.
    pub(crate) is_new: bool,
    /// Versions of the missing migrations, oldest first.
    pub(crate) versions: Vec<String>,
}

/// A migration, and the migration that a program has to know to use a database that has it.
#[derive(QueryableByName)]
pub(crate) struct Floor {
    #[diesel(sql_type = Text)]
    migration: String,
    #[diesel(sql_type = Text)]
    floor: String,
}

/// A migration that has run.
#[derive(QueryableByName)]
pub(crate) struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Reads what a database says of its migrations. diesel's harness would create the table for it, which a worker has no right to.
pub(crate) trait Migrated {
    /// The migrations that have run. None for a database that has no table for them.
    fn applied(&mut self) -> QueryResult<Vec<Applied>>;

    /// The floors. An error for a database that has no table for them.
    fn floors(&mut self) -> QueryResult<Vec<Floor>>;
}

const APPLIED: &str = "SELECT version FROM __diesel_schema_migrations";
const FLOORS: &str = "SELECT migration, floor FROM schema_floors";

macro_rules! migrated {
    ($connection:ty, $table:literal) => {
        impl Migrated for $connection {
            fn applied(&mut self) -> QueryResult<Vec<Applied>> {
                let there: Vec<Applied> = diesel::sql_query($table).load(self)?;
                if there.is_empty() { Ok(there) } else { diesel::sql_query(APPLIED).load(self) }
            }

            fn floors(&mut self) -> QueryResult<Vec<Floor>> {
                diesel::sql_query(FLOORS).load(self)
            }
        }
    };
}

migrated!(SqliteConnection, "SELECT name AS version FROM sqlite_master WHERE name = '__diesel_schema_migrations'");
migrated!(
    AsyncConnectionWrapper<AsyncPgConnection>,
    "SELECT tablename::text AS version FROM pg_tables \
     WHERE tablename = '__diesel_schema_migrations' AND schemaname = ANY (current_schemas(FALSE))"
);

/// Finds the missing migrations. `TooNew` if the database has one that this program does not know and whose floor it does not know
/// either.
pub(crate) fn pending<DB, C>(conn: &mut C, known: &EmbeddedMigrations) -> Result<Pending, MigrateError>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB> + Migrated,
{
    let applied: BTreeSet<String> = conn.applied()?.into_iter().map(|applied| applied.version).collect();
    let known: BTreeSet<String> = MigrationSource::<DB>::migrations(known)
        .map_err(MigrateError::Failed)?
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect();
    let unknown: Vec<String> = applied.difference(&known).cloned().collect();
    if !unknown.is_empty() {
        let floors = conn.floors().unwrap_or_default();
        let may_use =
            |of: &String| floors.iter().any(|Floor { migration, floor }| migration == of && known.contains(floor));
        if !unknown.iter().all(may_use) {
            return Err(MigrateError::TooNew(unknown));
        }
        tracing::info!(
            migrations = unknown.join(", "),
            "the database is of a newer version, beside which this one may run"
        );
    }
    let versions = known.difference(&applied).cloned().collect();
    Ok(Pending { is_new: applied.is_empty(), versions })
}

/// Runs or refuses the missing migrations. Call it inside a transaction that excludes every other writer: two servers
/// that start at once must not run the same migration, and a failed migration must be rolled back.
pub(crate) fn run<DB, C>(conn: &mut C, known: EmbeddedMigrations, missing: Missing) -> Result<(), MigrateError>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB> + Migrated,
{
    let pending = pending(conn, &known)?;
    if missing == Missing::Refuse {
        return if pending.versions.is_empty() { Ok(()) } else { Err(MigrateError::TooOld) };
    }
    for version in conn.run_pending_migrations(known).map_err(MigrateError::Failed)? {
        tracing::info!(migration = %version, "database migrated");
    }
    Ok(())
}
