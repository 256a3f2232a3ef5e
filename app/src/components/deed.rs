//! What a form does, and what came of it.

use crate::{browser, error::AppError};
use leptos::{
    ev::SubmitEvent, prelude::*, server::ServerActionError, server_fn::error::ServerFnUrlError, task::spawn_local,
    web_sys::Element,
};
use protocol::{Project, url_path};

/// A change to a project by a form that also posts without script.
///
/// In place of Leptos' `ServerAction`, whose every instance brings its own form reader and dispatcher: five
/// of them were a tenth of the page's WASM.
#[derive(Clone, Copy)]
pub struct Deed {
    /// The server function's path, without the base path.
    pub path: &'static str,
    /// The newest outcome; after a post without script that was refused, that refusal.
    pub outcome: RwSignal<Option<Result<Project, AppError>>>,
    /// Whether an answer is awaited.
    pub pending: RwSignal<bool>,
    /// Counts the answers.
    pub version: RwSignal<u32>,
}

impl Deed {
    /// The deed of the server function at this path.
    pub fn new(path: &'static str) -> Self {
        let posted = use_context::<ServerActionError>()
            .filter(|error| error.path() == path)
            .map(|error| Err(ServerFnUrlError::<AppError>::decode_err(error.err())));
        Self { path, outcome: RwSignal::new(posted), pending: RwSignal::new(false), version: RwSignal::new(0) }
    }

    /// Where its form posts.
    pub fn address(self) -> String {
        url_path(self.path)
    }

    /// Why it was refused, if it was.
    pub fn refusal<T>(self, read: impl Fn(&AppError) -> Option<T>) -> Option<T> {
        self.outcome.with(|outcome| read(outcome.as_ref()?.as_ref().err()?))
    }

    /// Refused here already, without a request.
    pub fn refuse(self, error: AppError) {
        self.outcome.set(Some(Err(error)));
    }

    /// Asks the server.
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

/// The form that is being sent; its own post is called off.
pub fn taken(event: &SubmitEvent) -> Option<Element> {
    let form = browser::target(event)?;
    event.prevent_default();
    Some(form)
}
