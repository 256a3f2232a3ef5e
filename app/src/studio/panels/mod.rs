//! What opens from the bar: the queue, the settings, the event log, the keys. Popovers, so that they open
//! and close without script.

mod export;
mod keys;
mod log;
mod queue;
mod settings;

use super::Store;
use crate::{components::Icon, view::dynamic};
pub use export::Export;
use leptos::prelude::*;
pub use log::Log;
#[cfg(feature = "browser")]
pub use settings::MOTION;

/// The bar's buttons and what they open.
pub fn panels(store: Store, export: Export, log: Log) -> AnyView {
    view! {
        {queue::opener(store)}
        {opener("export", "Export", Icon::Export)}
        {opener("settings", "Settings", Icon::Settings)}
        {opener("event-log", "Event log", Icon::Log)}
        {opener("keys", "Keyboard", Icon::Keys)}
        {queue::panel(store)}
        {export.panel()}
        {settings::panel(store)}
        {log.panel()}
        {keys::panel()}
    }
    .into_any()
}

/// A button that opens the panel of this id.
fn opener(id: &'static str, label: &'static str, icon: Icon) -> AnyView {
    view! {
        <button class="icon-button" type="button" popovertarget=id aria-label=label title=label>{icon.view()}</button>
    }
    .into_any()
}

/// A panel with its title.
fn panel(id: &'static str, title: &'static str, content: impl Fn() -> AnyView + Send + Sync + 'static) -> AnyView {
    view! {
        <section id=id class="flyout" popover="auto" aria-label=title>
            <h2 class="flyout-title">{title}</h2>
            {dynamic(content)}
        </section>
    }
    .into_any()
}
