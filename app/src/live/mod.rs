//! The page's live half: one WebSocket for the whole visit, its state, and what was heard on it.

pub mod backoff;
#[cfg(feature = "browser")]
mod socket;

use leptos::prelude::*;
use protocol::{Event, Metrics};

/// How the page stands with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The first try; also what the server renders.
    Connecting,
    /// The server has said hello.
    Live,
    /// Lost; it will be tried again.
    Lost,
}

/// What was heard, as signals in the context.
#[derive(Clone, Copy)]
pub struct Live {
    /// The connection's state.
    pub connection: RwSignal<Connection>,
    /// The machine's state; none before the first was heard, and none while the connection is lost.
    pub metrics: RwSignal<Option<Metrics>>,
    /// Counts the moments at which the projects may have changed; whoever shows projects reads it.
    pub projects_changed: RwSignal<u32>,
}

impl Live {
    /// Puts the signals into the context and, in the browser, opens the connection.
    pub fn provide() -> Self {
        let live = Self {
            connection: RwSignal::new(Connection::Connecting),
            metrics: RwSignal::new(None),
            projects_changed: RwSignal::new(0),
        };
        provide_context(live);
        #[cfg(feature = "browser")]
        Effect::new(move |_| socket::keep_open(live));
        live
    }

    /// The signals; [`Live::provide`] has put them there.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Takes in one event.
    pub fn hear(self, event: Event) {
        match event {
            // Between the page's making and this hello anything may have changed unheard.
            Event::Hello(_) => {
                self.connection.set(Connection::Live);
                self.projects_changed.update(|n| *n = n.wrapping_add(1));
            }
            Event::Metrics(metrics) => self.metrics.set(Some(metrics)),
            Event::ProjectUpdated(_) => self.projects_changed.update(|n| *n = n.wrapping_add(1)),
            _ => {}
        }
    }

    /// The connection is gone, and with it what is known of the machine.
    pub fn lose(self) {
        self.connection.set(Connection::Lost);
        self.metrics.set(None);
    }
}
