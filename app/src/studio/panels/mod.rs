//! The panels that open from the top bar: queue, export, settings, event log, shortcuts. They are popovers, so that they
//! open and close without script.

mod export;
mod log;
mod queue;
mod settings;
mod shortcuts;

use super::Store;
use crate::{
    icons::Icon,
    view::{Erase, dynamic},
};
pub use export::{Export, label as format_label};
use leptos::prelude::*;
pub use log::Log;
#[cfg(feature = "browser")]
pub use settings::MOTION;

/// The buttons of the top bar and the panels that they open.
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
        {shortcuts::panel()}
    }
    .erase()
}

/// A button that opens the panel of this id.
fn opener(id: &'static str, label: &'static str, icon: Icon) -> AnyView {
    view! {
        <button class="icon-button" type="button" popovertarget=id aria-label=label title=label>{icon.view()}</button>
    }
    .erase()
}

/// A panel with its title.
fn panel(id: &'static str, title: &'static str, content: impl Fn() -> AnyView + Send + Sync + 'static) -> AnyView {
    view! {
        <section id=id class="flyout" popover="auto" aria-label=title>
            <h2 class="flyout-title">{title}</h2>
            {dynamic(content)}
        </section>
    }
    .erase()
}
