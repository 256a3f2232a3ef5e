//! Messages of other servers that wait to be handed over.

use crate::live::Live;
use std::sync::{Mutex, PoisonError};

/// The most that wait: seconds of a hundred servers. Newer ones are dropped, as they are when the connection is lost.
const MOST: usize = 10_000;

/// What other servers sent, in their order.
pub(super) struct Messages {
    /// The id of this server, whose own messages come back.
    server: String,
    waiting: Mutex<Vec<Live>>,
}

impl Messages {
    pub(super) fn of_others(server: &str) -> Self {
        Self { server: server.to_owned(), waiting: Mutex::default() }
    }

    /// Adds a message if it is of another server. One that this version does not know is ignored.
    pub(super) fn add(&self, text: &str) {
        let Ok(message) = serde_json::from_str(text) else { return };
        if matches!(&message, Live::Progress { server, .. } if *server == self.server) {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MOST {
            waiting.push(message);
        }
    }

    pub(super) fn take(&self) -> Vec<Live> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
