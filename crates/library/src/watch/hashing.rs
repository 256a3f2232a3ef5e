//! The thread that hashes.

use super::{Inner, State};
use crate::{Entry, Hashed, hash::hash, walk::modified_ms};
use std::{
    fs,
    sync::{Arc, PoisonError},
    thread,
    time::Duration,
};

impl Inner {
    pub(super) fn hash_until_stopped(&self) {
        loop {
            let shelf = {
                let waits = |state: &mut State| !state.stopping && (!state.unhashed || state.scanning);
                let state = self.changed.wait_while(self.state(), waits).unwrap_or_else(PoisonError::into_inner);
                if state.stopping {
                    return;
                }
                Arc::clone(&state.shelf)
            };
            let next = {
                let mut state = self.state();
                let wants = |entry: &&Arc<Entry>| {
                    entry.item.problem.is_none()
                        && entry.item.hashes.sha256.is_none()
                        && !entry.is_folder
                        && !state.unhashable.contains(&entry.item.id)
                };
                // Small files first: LoRAs are resolved by hash, checkpoints rarely.
                let next = shelf.entries().iter().filter(wants).min_by_key(|entry| entry.item.bytes).cloned();
                state.unhashed = next.is_some();
                next
            };
            if let Some(entry) = next {
                self.hash_one(&entry);
            }
        }
    }

    fn hash_one(&self, entry: &Arc<Entry>) {
        let pause = |took: Duration| {
            if self.keeper.is_busy() {
                thread::sleep((took * 9).min(Duration::from_secs(1)));
            }
            !self.state().stopping
        };
        match hash(&entry.path, pause) {
            Ok(Some(hashed)) => self.keep_hash(entry, hashed),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(file = %entry.path.display(), %error, "a file cannot be hashed");
                self.state().unhashable.insert(entry.item.id.clone());
            }
        }
    }

    /// Keeps a file's hashes, unless it was changed while it was read.
    pub(super) fn keep_hash(&self, entry: &Entry, hashed: Hashed) {
        let metadata = fs::metadata(&entry.path);
        let is_same = metadata.is_ok_and(|metadata| {
            metadata.len() == entry.item.bytes && modified_ms(&metadata) == entry.item.modified_ms
        });
        let kept = {
            let mut known = self.known();
            let known = known.get_mut(&entry.item.id).filter(|_| is_same);
            known.map(|known| {
                known.hashed = Some(hashed);
                known.clone()
            })
        };
        let Some(kept) = kept else {
            self.state().unhashable.insert(entry.item.id.clone());
            return;
        };
        self.keeper.save(vec![kept.clone()]);
        self.replace(&kept);
    }
}
