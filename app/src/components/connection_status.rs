//! The connection status: a dot, and the server's metrics.

use crate::{
    format::{memory, percent, uptime},
    live::{Connection, Live},
    view::{Erase, words},
};
use leptos::prelude::*;
use protocol::Metrics;

const DETAILS: &str = "connection-details";

fn word(connection: Connection) -> &'static str {
    match connection {
        Connection::Connecting => "connecting",
        Connection::Live => "live",
        Connection::Lost => "lost, trying again",
    }
}

/// A dot, two numbers on a wide page, and the rest in a popover.
#[component]
pub fn ConnectionStatus() -> impl IntoView {
    let live = Live::expect();
    let state = words(move || word(live.connection.get()).to_owned());
    let label = words(move || format!("Connection {}", word(live.connection.get())));
    let read =
        move |of: fn(&Metrics) -> String| words(move || live.metrics.with(|m| m.as_ref().map(of)).unwrap_or_default());
    let cpu = read(|m| format!("{} %", percent(m.cpu_percent)));
    let in_use = read(|m| memory(m.memory_used_bytes, m.memory_total_bytes));
    let since = read(|m| uptime(m.uptime_s));
    let or_dash = |text: Signal<String>| {
        words(move || text.with(|text| if text.is_empty() { "–".to_owned() } else { text.clone() }))
    };
    let dot = words(move || {
        match live.connection.get() {
            Connection::Connecting => "status-dot",
            Connection::Live => "status-dot status-live",
            Connection::Lost => "status-dot status-lost",
        }
        .to_owned()
    });
    view! {
        <div class="status">
            <p class="status-line" aria-hidden="true">
                <span>{cpu}</span>
                <span>{in_use}</span>
            </p>
            <button
                class="status-button"
                type="button"
                popovertarget=DETAILS
                aria-label=label
                title=label
            >
                <span class=dot></span>
            </button>
            <div id=DETAILS class="status-details" popover="auto">
                <dl>
                    <dt>"Connection"</dt><dd>{state}</dd>
                    <dt>"Processor"</dt><dd>{or_dash(cpu)}</dd>
                    <dt>"Memory"</dt><dd>{or_dash(in_use)}</dd>
                    <dt>"Running for"</dt><dd>{or_dash(since)}</dd>
                </dl>
            </div>
        </div>
    }
    .erase()
}
