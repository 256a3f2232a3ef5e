//! The panels that open from the top bar: queue, bin, export, settings, event log, shortcuts. They are popovers, so that they
//! open and close without script. The content of all but the queue needs script; it is loaded when a panel is opened for the
//! first time.

mod bin;
mod content;
mod export;
mod log;
mod queue;
mod settings;
mod shortcuts;

use super::{Store, on_demand::Loaded};
use crate::{
    icons::Icon,
    live::Live,
    view::{Erase, dynamic},
};
use content::Content;
pub use export::label as format_label;
use leptos::prelude::*;
#[cfg(feature = "browser")]
pub use settings::MOTION;

/// The buttons of the top bar and the panels that they open.
pub fn panels(store: Store, live: Live) -> AnyView {
    view! {
        {queue::opener(store)}
        {opener("bin", "Bin", Icon::Delete)}
        {opener("export", "Export", Icon::Export)}
        {opener("settings", "Settings", Icon::Settings)}
        {opener("event-log", "Event log", Icon::Log)}
        {opener("keys", "Keyboard", Icon::Keys)}
        {queue::panel(store)}
        {loaded_panel(store, "bin", "Bin", Content::Bin(store))}
        {loaded_panel(store, "export", "Export", Content::Export(store))}
        {loaded_panel(store, "settings", "Settings", Content::Settings(store))}
        {log_panel(store, live)}
        {loaded_panel(store, "keys", "Keyboard", Content::Shortcuts)}
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

/// A panel whose content is loaded when it is opened for the first time.
fn loaded_panel(store: Store, id: &'static str, title: &'static str, content: Content) -> AnyView {
    let loaded = Loaded::new(store);
    let is_open = loaded.watch_popover(id, content::fetch);
    view! {
        <section id=id class="flyout" popover="auto" aria-label=title on:toggle=move |_| _ = is_open()>
            <h2 class="flyout-title">{title}</h2>
            {loaded.view(move || content::content(content))}
        </section>
    }
    .erase()
}

/// The panel of the event log. The log records only while its panel is open.
fn log_panel(store: Store, live: Live) -> AnyView {
    let loaded = Loaded::new(store);
    let is_open = loaded.watch_popover("event-log", content::fetch);
    view! {
        <section id="event-log" class="flyout flyout-wide" popover="manual" aria-label="Event log" on:toggle=move |_| live.log_open.set(is_open())>
            <h2 class="flyout-title">"Event log"</h2>
            {loaded.view(move || content::content(Content::Log(live)))}
        </section>
    }
    .erase()
}
