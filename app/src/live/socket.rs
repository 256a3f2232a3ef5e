//! The WebSocket itself, in the browser only.

use super::{Connection, Live, backoff::delay_ms};
use futures::{
    FutureExt, StreamExt,
    channel::mpsc::{self, UnboundedReceiver},
    future::{Either, select},
};
use gloo_net::websocket::{Message, futures::WebSocket};
use gloo_timers::future::TimeoutFuture;
use leptos::{ev, prelude::*, task::spawn_local_scoped_with_cancellation};

/// The server sends metrics every two seconds; after this much silence the connection is dead, though the
/// browser may not know it for minutes (a laptop that slept, a network that was left).
const SILENCE_MS: u32 = 12_000;

/// From one repaint to the next.
const REPAINT_MS: u32 = 16;

/// Opens the connection and opens it again whenever it is lost, until the current owner is cleaned up.
pub fn keep_open(live: Live) {
    let mut woken = wakings();
    spawn_local_scoped_with_cancellation(async move {
        let mut failures = 0;
        loop {
            let was_live = listen(live).await;
            live.lose();
            failures = if was_live { 0 } else { failures + 1 };
            while woken.next().now_or_never().is_some() {}
            let wait = TimeoutFuture::new(delay_ms(failures, js_sys::Math::random()));
            if let Either::Right(_) = select(wait, woken.next()).await {
                failures = 0;
            }
        }
    });
}

/// One connection, from opening to its end. True if the server said hello on it.
async fn listen(live: Live) -> bool {
    let Some(mut socket) = address(live).and_then(|url| WebSocket::open(&url).ok()) else { return false };
    let mut was_live = false;
    while let Either::Left((Some(Ok(heard)), _)) = select(socket.next(), TimeoutFuture::new(SILENCE_MS)).await {
        was_live |= hear(live, heard);
        // The page follows the first message at once. What comes before it can be drawn is taken in together: a start
        // is five messages, and the page changed, and was laid out, five times for it.
        TimeoutFuture::new(REPAINT_MS).await;
        while let Some(next) = socket.next().now_or_never() {
            let Some(Ok(heard)) = next else { return was_live };
            was_live |= hear(live, heard);
        }
    }
    was_live
}

/// Takes in one message. True if the connection is live.
fn hear(live: Live, heard: Message) -> bool {
    if let Message::Text(text) = heard {
        live.note(&text);
        live.hear(&text);
    }
    live.connection.get_untracked() == Connection::Live
}

/// `ws://host/ws`, or `wss:` on a page that came over TLS.
fn address(live: Live) -> Option<String> {
    let location = window().location();
    let scheme = if location.protocol().ok()? == "https:" { "wss" } else { "ws" };
    Some(format!("{scheme}://{}{}", location.host().ok()?, protocol::url_path(&live.socket_path())))
}

/// Says when waiting has become pointless: the network is back, or someone looks at the page again.
fn wakings() -> UnboundedReceiver<()> {
    let (wake, woken) = mpsc::unbounded();
    let wake_on_return = wake.clone();
    let online = window_event_listener(ev::online, move |_| _ = wake.unbounded_send(()));
    // Fired at the document, it bubbles to the window.
    let visible = window_event_listener(ev::visibilitychange, move |_| {
        if !document().hidden() {
            _ = wake_on_return.unbounded_send(());
        }
    });
    on_cleanup(move || {
        online.remove();
        visible.remove();
    });
    woken
}
