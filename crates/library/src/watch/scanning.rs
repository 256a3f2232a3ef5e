//! The thread that scans.

use super::{Inner, State};
use crate::{
    Known, Shelf,
    scan::{Scanned, scan},
    walk::Found,
};
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

/// Time between two scans.
const INTERVAL: Duration = Duration::from_secs(10);

/// Time until the next scan, while a file may still be being copied.
const UNSETTLED_INTERVAL: Duration = Duration::from_secs(1);

/// Files with new facts are kept in groups of this size.
const GROUP: usize = 100;

impl Inner {
    pub(super) fn scan_until_stopped(&self) {
        self.load_known();
        let mut interval = Duration::ZERO;
        loop {
            {
                let waits = |state: &mut State| !state.requested && !state.stopping;
                let waited = self.changed.wait_timeout_while(self.state(), interval, waits);
                let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
                if state.stopping {
                    return;
                }
                state.requested = false;
            }
            interval = if self.scan_once(true) { UNSETTLED_INTERVAL } else { INTERVAL };
        }
    }

    pub(super) fn load_known(&self) {
        let loaded = self.keeper.load();
        *self.known() = loaded.into_iter().map(|known| (known.id.clone(), known)).collect();
    }

    /// Scans and publishes the list if it has changed. If scans are repeated, leaves out files that may still be being copied,
    /// and returns whether there are any.
    pub(super) fn scan_once(&self, is_repeated: bool) -> bool {
        let before = self.known().clone();
        let publish = |shelf| {
            self.publish(shelf, None, true);
            !self.state().stopping
        };
        let Scanned { files, problems, news, is_unsettled } =
            scan(&self.folders, &before, &*self.read, is_repeated, publish);
        for group in news.chunks(GROUP) {
            self.keeper.save(group.to_vec());
        }
        let files = self.merged(files, news);
        self.publish(Shelf::new(files), Some(problems), false);
        is_unsettled
    }

    /// Adds the news to what is known. Marks and hashes that came during the scan stay.
    fn merged(&self, files: Vec<(Found, Known)>, news: Vec<Known>) -> Vec<(Found, Known)> {
        let mut known = self.known();
        for mut now in news {
            if let Some(old) = known.get(&now.id) {
                now.favourite = old.favourite;
                now.distillation.clone_from(&old.distillation);
                now.title.clone_from(&old.title);
            }
            known.insert(now.id.clone(), now);
        }
        let current = |(found, then): (Found, Known)| {
            let now = known.get(&then.id).cloned().unwrap_or(then);
            (found, now)
        };
        files.into_iter().map(current).collect()
    }

    fn publish(&self, shelf: Shelf, problems: Option<Vec<String>>, scanning: bool) {
        let mut state = self.state();
        let problems = problems.unwrap_or_else(|| state.problems.clone());
        let is_same_list = state.shelf.entries() == shelf.entries();
        if is_same_list && state.scanning == scanning && state.problems == problems {
            return;
        }
        state.files_revision += u64::from(!is_same_list);
        state.shelf = Arc::new(shelf);
        (state.problems, state.scanning, state.unhashed) = (problems, scanning, true);
        state.revision += 1;
        state.unhashable.clear();
        drop(state);
        self.changed.notify_all();
        self.keeper.changed();
    }
}
