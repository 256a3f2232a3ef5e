//! Parts of the page whose code is in the file `on_demand`, which is loaded when one of them is needed for the first time.
//! The server renders none of them.

use super::Store;
use crate::{
    browser,
    error::AppError,
    view::{dynamic, nothing},
};
use leptos::{prelude::*, task::spawn_local};

/// Whether the code of a part is loaded.
#[derive(Clone, Copy)]
pub struct Loaded {
    store: Store,
    is_loaded: RwSignal<bool>,
}

impl Loaded {
    /// A part of a studio that is not loaded yet.
    pub fn new(store: Store) -> Self {
        Self { store, is_loaded: RwSignal::new(false) }
    }

    /// Loads the code with `fetch`. A failure is shown as the error of a command.
    pub fn load(self, fetch: impl Future<Output = Result<(), AppError>> + 'static) {
        if self.is_loaded.get_untracked() {
            return;
        }
        spawn_local(async move {
            match fetch.await {
                Ok(()) => _ = self.is_loaded.try_set(true),
                Err(error) => self.store.refuse(error),
            }
        });
    }

    /// Returns a function that loads the code with `fetch` if the popover of this id is open, and returns whether it is:
    /// for its `toggle` event. It is called once by itself: the popover can be open before the page has its script.
    pub fn watch_popover<F>(
        self,
        id: &'static str,
        fetch: fn() -> F,
    ) -> impl Fn() -> bool + Copy + Send + Sync + 'static
    where
        F: Future<Output = Result<(), AppError>> + 'static,
    {
        let check = move || {
            let is_open = browser::find(&format!("#{id}:popover-open")).is_some();
            if is_open {
                self.load(fetch());
            }
            is_open
        };
        Effect::new(move |_| _ = check());
        check
    }

    /// The part, once its code is loaded.
    pub fn view(self, part: impl Fn() -> AnyView + Send + Sync + 'static) -> AnyView {
        dynamic(move || if self.is_loaded.get() { part() } else { nothing() })
    }
}

/// The view of a part whose code is loaded, so that the first poll renders it.
#[cfg(feature = "split")]
pub fn now(part: impl Future<Output = Result<AnyView, AppError>>) -> AnyView {
    futures::FutureExt::now_or_never(part).and_then(Result::ok).unwrap_or_else(nothing)
}
