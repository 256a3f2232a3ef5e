//! The event log: the raw messages of the socket, for developers.

use crate::{
    act::clicked,
    browser,
    buttons::button,
    live::Live,
    view::{Erase, dynamic, words},
};
use leptos::{ev, prelude::*};

/// The actions of the panel's buttons.
const PAUSE: &str = "log-pause";
const CLEAR: &str = "log-clear";

/// The log's state.
#[derive(Clone, Copy)]
pub struct Log {
    live: Live,
    filter: RwSignal<String>,
}

impl Log {
    /// The log of a connection.
    pub fn new(live: Live) -> Self {
        Self { live, filter: RwSignal::new(String::new()) }
    }

    /// Carries out the action of the button that was clicked.
    fn click(self, event: &ev::MouseEvent) {
        match clicked(event) {
            Some((act, _)) if act == PAUSE => self.live.log_open.update(|open| *open = !*open),
            Some((act, _)) if act == CLEAR => self.live.log.update(Vec::clear),
            _ => {}
        }
    }

    /// The panel's content.
    pub fn content(self) -> AnyView {
        let typed = move |event: ev::Event| {
            if let Some(text) = browser::target(&event).and_then(|field| browser::value(&field)) {
                self.filter.set(text);
            }
        };
        let lines = words(move || {
            let filter = self.filter.get();
            self.live.log.with(|lines| {
                let shown = lines.iter().rev().filter(|line| line.contains(filter.as_str()));
                shown.fold(String::new(), |text, line| text + line + "\n")
            })
        });
        view! {
            <div class="flyout-acts" on:click=move |event: ev::MouseEvent| self.click(&event)>
                <input class="log-filter" type="search" aria-label="Only lines with" placeholder="Only lines with…" on:input=typed/>
                {dynamic(move || button("button button-small", PAUSE, "", if self.live.log_open.get() { "Pause" } else { "Listen" }))}
                {button("button button-small", CLEAR, "", "Clear")}
                <button class="button button-small" type="button" popovertarget="event-log" popovertargetaction="hide">"Close"</button>
            </div>
            <pre class="log-lines" tabindex="0" role="log" aria-live="off" aria-label="Events">{lines}</pre>
        }
        .erase()
    }
}
