//! Bringing the tables up to date.

use crate::{OpenFault, StoreError};
use diesel::migration::{MigrationSource, MigrationVersion};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::collections::BTreeSet;

/// The tables' history on SQLite.
pub(crate) const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
/// The same on PostgreSQL.
pub(crate) const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Why the tables are not up to date; each carries what [`StoreError`] needs.
pub(crate) enum MigrateError {
    TooNew(Vec<String>),
    TooOld,
    Failed(Box<dyn std::error::Error + Send + Sync>),
    Query(diesel::result::Error),
}

impl From<diesel::result::Error> for MigrateError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Query(error)
    }
}

impl MigrateError {
    /// The error for the caller of `open`.
    pub(crate) fn into_store_error(self, database: &str) -> StoreError {
        let database = database.to_owned();
        match self {
            Self::TooOld => StoreError::TooOld { database },
            Self::TooNew(unknown) => StoreError::TooNew { database, unknown },
            Self::Failed(source) => StoreError::Open { database, fault: OpenFault::Migration(source) },
            Self::Query(error) => match StoreError::from(error) {
                StoreError::Database(error) => StoreError::Open { database, fault: OpenFault::Other(Box::new(error)) },
                told => told,
            },
        }
    }
}

/// What becomes of migrations that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// They are run.
    Run,
    /// They are an error: nothing is changed.
    Refuse,
}

/// Sees to what is missing. Call it inside a transaction that keeps every other writer out: two servers that
/// start at once must not both run the same migration, and a failed one must leave nothing.
pub(crate) fn run<DB, C>(conn: &mut C, known: EmbeddedMigrations, missing: Missing) -> Result<(), MigrateError>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB>,
{
    let applied: BTreeSet<MigrationVersion<'static>> =
        conn.applied_migrations().map_err(MigrateError::Failed)?.into_iter().collect();
    let known_versions: BTreeSet<MigrationVersion<'static>> = MigrationSource::<DB>::migrations(&known)
        .map_err(MigrateError::Failed)?
        .iter()
        .map(|migration| migration.name().version().as_owned())
        .collect();
    let unknown: Vec<String> = applied.difference(&known_versions).map(ToString::to_string).collect();
    if !unknown.is_empty() {
        return Err(MigrateError::TooNew(unknown));
    }
    if missing == Missing::Refuse {
        return if known_versions.is_subset(&applied) { Ok(()) } else { Err(MigrateError::TooOld) };
    }
    for version in conn.run_pending_migrations(known).map_err(MigrateError::Failed)? {
        tracing::info!(migration = %version, "database migrated");
    }
    Ok(())
}
