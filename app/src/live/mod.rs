//! The page's live half: one WebSocket for the whole visit, its state, and what was heard on it.

pub mod backoff;
#[cfg(feature = "browser")]
mod socket;
pub mod wire;

use leptos::prelude::*;
use protocol::Metrics;
use std::sync::Arc;

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

/// Who else hears each message: the studio. It comes as functions, so that its code is not this page's.
#[derive(Clone)]
struct Listener {
    hear: Arc<dyn Fn(&str) + Send + Sync>,
    path: Arc<dyn Fn() -> String + Send + Sync>,
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
    /// The page's own part that hears everything.
    listener: StoredValue<Option<Listener>>,
    /// Whether messages are kept for the event log.
    pub log_open: RwSignal<bool>,
    /// The newest messages as they came, newest last, while they are kept.
    pub log: RwSignal<Vec<String>>,
}

/// Messages that the event log keeps.
const MOST_LOGGED: usize = 200;

impl Live {
    /// Puts the signals into the context and, in the browser, opens the connection.
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

    /// The signals; [`Live::provide`] has put them there.
    pub fn expect() -> Self {
        expect_context()
    }

    /// From now on `hear` is given each message as it came, and `path` is where the socket is opened.
    pub fn listen(
        self,
        hear: impl Fn(&str) + Send + Sync + 'static,
        path: impl Fn() -> String + Send + Sync + 'static,
    ) {
        self.listener.set_value(Some(Listener { hear: Arc::new(hear), path: Arc::new(path) }));
    }

    /// Takes in one message; what it does not know is passed over.
    pub fn hear(self, text: &str) {
        match wire::kind(text).as_deref() {
            Some("metrics") => return self.metrics.set(wire::data(text)),
            // Between the page's making and this hello anything may have changed unheard.
            Some("hello") => {
                self.connection.set(Connection::Live);
                self.projects_changed.update(|n| *n = n.wrapping_add(1));
            }
            Some("project_updated") => self.projects_changed.update(|n| *n = n.wrapping_add(1)),
            _ => {}
        }
        if let Some(listener) = self.listener.get_value() {
            (listener.hear)(text);
        }
    }

    /// Keeps a message as it came, if the event log listens.
    pub fn note(self, text: &str) {
        if self.log_open.get_untracked() {
            self.log.update(|log| {
                let surplus = (log.len() + 1).saturating_sub(MOST_LOGGED);
                log.drain(..surplus);
                log.push(text.to_owned());
            });
        }
    }

    /// The path at which the socket is to be opened: for a studio, its project's events from the newest heard on.
    pub fn socket_path(self) -> String {
        self.listener.get_value().map_or_else(|| "/ws".to_owned(), |listener| (listener.path)())
    }

    /// The connection is gone, and with it what is known of the machine.
    pub fn lose(self) {
        self.connection.set(Connection::Lost);
        self.metrics.set(None);
    }
}
