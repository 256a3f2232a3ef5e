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
    /// Nothing was begun.
    Refused(OpenFault),
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
            Self::Refused(fault) => StoreError::Open { database, fault },
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

/// What the database has, and what it lacks.
pub(crate) struct Pending {
    /// Whether it has any of our tables.
    pub(crate) is_new: bool,
    /// The versions that are missing, oldest first.
    pub(crate) versions: Vec<String>,
}

/// Which migrations are missing.
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

/// Sees to what is missing. Call it inside a transaction that keeps every other writer out: two servers that
/// start at once must not both run the same migration, and a failed one must leave nothing.
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
