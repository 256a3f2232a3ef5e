//! The action of a form and its outcome.

use crate::{browser, error::AppError, forms::posted_error};
use leptos::{ev::SubmitEvent, prelude::*, task::spawn_local, web_sys::Element};
use protocol::{Project, url_path};

/// A change to a project by a form that also posts without script.
///
/// It replaces Leptos' `ServerAction`, each instance of which compiles its own form parser and dispatcher: five of them
/// were a tenth of the page's WASM.
#[derive(Clone, Copy)]
pub struct FormAction {
    /// The server function's path, without the base path.
    pub path: &'static str,
    /// The newest outcome; initially the error of a rejected post without script.
    pub outcome: RwSignal<Option<Result<Project, AppError>>>,
    /// Whether a request is under way.
    pub pending: RwSignal<bool>,
    /// Counts the responses.
    pub version: RwSignal<u32>,
}

impl FormAction {
    /// The action of the server function at this path.
    pub fn new(path: &'static str) -> Self {
        let outcome = RwSignal::new(posted_error(path).map(Err));
        Self { path, outcome, pending: RwSignal::new(false), version: RwSignal::new(0) }
    }

    /// The URL to which its form posts.
    pub fn address(self) -> String {
        url_path(self.path)
    }

    /// Reads the error of the newest outcome, if it is one.
    pub fn rejection<T>(self, read: impl Fn(&AppError) -> Option<T>) -> Option<T> {
        self.outcome.with(|outcome| read(outcome.as_ref()?.as_ref().err()?))
    }

    /// Whether a request is under way.
    pub fn is_pending(self) -> Signal<bool> {
        self.pending.into()
    }

    /// Sets an error that was found without a request.
    pub fn reject(self, error: AppError) {
        self.outcome.set(Some(Err(error)));
    }

    /// Calls the server function and stores its outcome.
    pub fn run(self, call: impl Future<Output = Result<Project, AppError>> + 'static) {
        self.pending.set(true);
        spawn_local(async move {
            let outcome = call.await;
            self.pending.try_set(false);
            self.outcome.try_set(Some(outcome));
            self.version.try_update(|n| *n = n.wrapping_add(1));
        });
    }
}

/// The submitted form. The browser does not post it.
pub fn submitted(event: &SubmitEvent) -> Option<Element> {
    let form = browser::target(event)?;
    event.prevent_default();
    Some(form)
}
