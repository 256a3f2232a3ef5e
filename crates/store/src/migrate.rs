//! Migrations of the tables.

use crate::{OpenFault, StoreError};
use diesel::migration::{MigrationSource, MigrationVersion};
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

/// Finds the missing migrations. `TooNew` if the database has one that this program does not know.
pub(crate) fn pending<DB, C>(conn: &mut C, known: &EmbeddedMigrations) -> Result<Pending, MigrateError>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB>,
{
    let applied: BTreeSet<MigrationVersion<'static>> =
        conn.applied_migrations().map_err(MigrateError::Failed)?.into_iter().collect();
    let known: BTreeSet<MigrationVersion<'static>> = MigrationSource::<DB>::migrations(known)
        .map_err(MigrateError::Failed)?
        .iter()
        .map(|migration| migration.name().version().as_owned())
        .collect();
    let unknown: Vec<String> = applied.difference(&known).map(ToString::to_string).collect();
    if !unknown.is_empty() {
        return Err(MigrateError::TooNew(unknown));
    }
    let versions = known.difference(&applied).map(ToString::to_string).collect();
    Ok(Pending { is_new: applied.is_empty(), versions })
}

/// Runs or refuses the missing migrations. Call it inside a transaction that excludes every other writer: two servers
/// that start at once must not run the same migration, and a failed migration must be rolled back.
pub(crate) fn run<DB, C>(conn: &mut C, known: EmbeddedMigrations, missing: Missing) -> Result<(), MigrateError>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB>,
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
