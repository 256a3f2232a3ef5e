//! A dot that says how the page stands with its server, and what the server says of its machine.

use crate::{
    format::{memory, percent, uptime},
    live::{Connection, Live},
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

/// Discreet: a dot, two numbers on a wide page, the rest on demand.
#[component]
pub fn ConnectionStatus() -> impl IntoView {
    let live = Live::expect();
    let state = move || word(live.connection.get());
    let read = move |of: fn(&Metrics) -> String| move || live.metrics.with(|m| m.as_ref().map(of));
    let cpu = read(|m| format!("{} %", percent(m.cpu_percent)));
    let in_use = read(|m| memory(m.memory_used_bytes, m.memory_total_bytes));
    let since = read(|m| uptime(m.uptime_s));
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
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
                aria-label=move || format!("Connection {}", state())
                title=move || format!("Connection {}", state())
            >
                <span
                    class="status-dot"
                    class:status-live=move || live.connection.get() == Connection::Live
                    class:status-lost=move || live.connection.get() == Connection::Lost
                ></span>
            </button>
            <div id=DETAILS class="status-details" popover="auto">
                <dl>
                    <dt>"Connection"</dt><dd>{state}</dd>
                    <dt>"Processor"</dt><dd>{move || or_dash(cpu())}</dd>
                    <dt>"Memory"</dt><dd>{move || or_dash(in_use())}</dd>
                    <dt>"Running for"</dt><dd>{move || or_dash(since())}</dd>
                </dl>
            </div>
        </div>
    }
}
