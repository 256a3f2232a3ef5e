//! The WebSocket connection of the page: its state, and what its messages change.

pub mod backoff;
#[cfg(feature = "browser")]
mod socket;
pub mod wire;

use leptos::prelude::*;
use protocol::Metrics;
use std::sync::Arc;

/// State of the WebSocket connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The first attempt; also what the server renders.
    Connecting,
    /// The server's `hello` has arrived.
    Live,
    /// Lost; it is retried.
    Lost,
}

/// The subscriber to all messages: the studio. As functions, so that its code stays in the studio's file.
#[derive(Clone)]
struct Listener {
    on_message: Arc<dyn Fn(&str) + Send + Sync>,
    path: Arc<dyn Fn() -> String + Send + Sync>,
}

/// The connection as signals in the context.
#[derive(Clone, Copy)]
pub struct Live {
    /// The connection's state.
    pub connection: RwSignal<Connection>,
    /// The newest metrics; none before the first, and none while the connection is lost.
    pub metrics: RwSignal<Option<Metrics>>,
    /// Counts possible changes of the projects. The list of projects tracks it.
    pub projects_changed: RwSignal<u32>,
    /// The subscriber to all messages.
    listener: StoredValue<Option<Listener>>,
    /// Whether messages are recorded for the event log.
    pub log_open: RwSignal<bool>,
    /// The recorded messages as received, newest last.
    pub log: RwSignal<Vec<String>>,
}

/// Messages that the event log holds.
const MOST_LOGGED: usize = 200;

impl Live {
    /// Provides the signals to the context and, in the browser, opens the connection.
    pub fn provide() -> Self {
        let live = Self {
            connection: RwSignal::new(Connection::Connecting),
            metrics: RwSignal::new(None),
            projects_changed: RwSignal::new(0),
            listener: StoredValue::new(None),
            log_open: RwSignal::new(false),
            log: RwSignal::new(Vec::new()),
        };
        provide_context(live);
        #[cfg(feature = "browser")]
        Effect::new(move |_| socket::keep_open(live));
        live
    }

    /// The signals from the context; panics without [`Live::provide`].
    pub fn expect() -> Self {
        expect_context()
    }

    /// Subscribes to all messages; `path` gives the path of the socket at each connection.
    pub fn listen(
        self,
        on_message: impl Fn(&str) + Send + Sync + 'static,
        path: impl Fn() -> String + Send + Sync + 'static,
    ) {
        self.listener.set_value(Some(Listener { on_message: Arc::new(on_message), path: Arc::new(path) }));
    }

    /// Handles one message. Unknown types are ignored.
    pub fn handle_message(self, text: &str) {
        match wire::kind(text).as_deref() {
            Some("metrics") => return self.metrics.set(wire::data(text)),
            // Projects may have changed between the rendering of the page and this hello.
            Some("hello") => {
                self.connection.set(Connection::Live);
                self.projects_changed.update(|n| *n = n.wrapping_add(1));
            }
            Some("project_updated") => self.projects_changed.update(|n| *n = n.wrapping_add(1)),
            _ => {}
        }
        if let Some(listener) = self.listener.get_value() {
            (listener.on_message)(text);
        }
    }

    /// Adds a message to the event log, if it is recording.
    pub fn log_message(self, text: &str) {
        if self.log_open.get_untracked() {
            self.log.update(|log| {
                let surplus = (log.len() + 1).saturating_sub(MOST_LOGGED);
                log.drain(..surplus);
                log.push(text.to_owned());
            });
        }
    }

    /// The path of the socket: in a studio, the project's events after the newest one that was applied.
    pub fn socket_path(self) -> String {
        self.listener.get_value().map_or_else(|| "/ws".to_owned(), |listener| (listener.path)())
    }

    /// Marks the connection as lost and clears the metrics.
    pub fn connection_lost(self) {
        self.connection.set(Connection::Lost);
        self.metrics.set(None);
    }
}
