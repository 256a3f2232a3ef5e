//! The event log: the raw messages of the socket, for developers.

use crate::{
    act::Act,
    browser,
    buttons::button,
    live::Live,
    view::{Erase, dynamic, words},
};
use leptos::{ev, prelude::*};

/// The log's state. It records only while its panel is open.
#[derive(Clone, Copy)]
pub struct Log {
    live: Live,
    filter: RwSignal<String>,
}

impl Log {
    /// A log that does not record yet.
    pub fn new(live: Live) -> Self {
        Self { live, filter: RwSignal::new(String::new()) }
    }

    /// Pauses or resumes recording.
    pub fn toggle(self) {
        self.live.log_open.update(|open| *open = !*open);
    }

    /// Empties the log.
    pub fn clear(self) {
        self.live.log.update(Vec::clear);
    }

    /// The panel.
    pub fn panel(self) -> AnyView {
        let typed = move |event: ev::Event| {
            if let Some(text) = browser::target(&event).and_then(|field| browser::value(&field)) {
                self.filter.set(text);
            }
        };
        let opened = move |event: ev::Event| {
            let is_open = browser::target(&event).and_then(|drawer| drawer.matches(":popover-open").ok());
            self.live.log_open.set(is_open == Some(true));
        };
        let lines = words(move || {
            let filter = self.filter.get();
            self.live.log.with(|lines| {
                let shown = lines.iter().rev().filter(|line| line.contains(filter.as_str()));
                shown.fold(String::new(), |text, line| text + line + "\n")
            })
        });
        view! {
            <section id="event-log" class="flyout flyout-wide" popover="manual" aria-label="Event log" on:toggle=opened>
                <h2 class="flyout-title">"Event log"</h2>
                <div class="flyout-acts">
                    <input class="log-filter" type="search" aria-label="Only lines with" placeholder="Only lines with…" on:input=typed/>
                    {dynamic(move || button("button button-small", Act::PauseLog, "", if self.live.log_open.get() { "Pause" } else { "Listen" }))}
                    {button("button button-small", Act::ClearLog, "", "Clear")}
                    <button class="button button-small" type="button" popovertarget="event-log" popovertargetaction="hide">"Close"</button>
                </div>
                <pre class="log-lines" tabindex="0" role="log" aria-live="off" aria-label="Events">{lines}</pre>
            </section>
        }
        .erase()
    }
}
