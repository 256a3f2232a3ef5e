//! Keeps what is known about files in the database.

use crate::Events;
use ::library::{Facts, Hashed, Keeper, Known};
use engine::Engine;
use protocol::LibraryId;
use std::{
    error::Error,
    sync::{Arc, OnceLock},
};
use store::{Store, rows::LibraryFileRow};
use tokio::runtime::Handle;

/// Keeps what is known about files in the database. Calls block, so they must come from threads outside the runtime.
#[derive(Debug)]
pub struct StoreKeeper {
    store: Store,
    events: Arc<dyn Events>,
    runtime: Handle,
    engine: OnceLock<Engine>,
}

impl StoreKeeper {
    /// A keeper in this database. Called within the runtime.
    pub fn new(store: Store, events: Arc<dyn Events>) -> Self {
        Self { store, events, runtime: Handle::current(), engine: OnceLock::new() }
    }

    /// The engine whose generations go before hashing.
    pub fn set_engine(&self, engine: Engine) {
        _ = self.engine.set(engine);
    }
}

impl Keeper for StoreKeeper {
    fn load(&self) -> Vec<Known> {
        match self.runtime.block_on(self.store.library_files()) {
            Ok(rows) => rows.into_iter().map(known).collect(),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn Error,
                    "what was known about the library cannot be read; all files are read again"
                );
                Vec::new()
            }
        }
    }

    fn save(&self, known: Vec<Known>) {
        let rows = known.iter().map(row).collect();
        if let Err(error) = self.runtime.block_on(self.store.put_library_files(rows)) {
            tracing::warn!(
                error = &error as &dyn Error,
                "what was read from the library cannot be stored; the next start reads it again"
            );
        }
    }

    fn changed(&self) {
        self.events.library_changed();
    }

    fn is_busy(&self) -> bool {
        self.engine.get().is_some_and(Engine::is_busy)
    }
}

/// The row of a file.
pub(super) fn row(known: &Known) -> LibraryFileRow {
    LibraryFileRow {
        id: known.id.0.clone(),
        folder: known.folder.clone(),
        file: known.file.clone(),
        bytes: i64::try_from(known.bytes).unwrap_or(i64::MAX),
        modified_ms: known.modified_ms,
        facts: known.facts.as_ref().map(Facts::to_text),
        sha256: known.hashed.as_ref().map(|hashed| hashed.sha256.clone()),
        tensors_sha256: known.hashed.as_ref().and_then(|hashed| hashed.tensors.clone()),
        favourite: known.favourite,
        distillation: known.distillation.clone(),
        title: known.title.clone(),
    }
}

fn known(row: LibraryFileRow) -> Known {
    Known {
        id: LibraryId(row.id),
        folder: row.folder,
        file: row.file,
        bytes: u64::try_from(row.bytes).unwrap_or_default(),
        modified_ms: row.modified_ms,
        facts: row.facts.as_deref().and_then(Facts::from_text),
        hashed: row.sha256.map(|sha256| Hashed { sha256, tensors: row.tensors_sha256 }),
        favourite: row.favourite,
        distillation: row.distillation,
        title: row.title,
    }
}
