//! The WebSocket, in the browser only.

use super::{Connection, Live, backoff::delay_ms};
use futures::{
    FutureExt, StreamExt,
    channel::mpsc::{self, UnboundedReceiver},
    future::{Either, select},
};
use gloo_net::websocket::{Message, futures::WebSocket};
use gloo_timers::future::TimeoutFuture;
use leptos::{ev, prelude::*, task::spawn_local_scoped_with_cancellation};

/// Timeout without messages, milliseconds. The server sends metrics every two seconds. After a suspended laptop or a change of
/// network the browser itself can take minutes to notice a dead connection.
const SILENCE_MS: u32 = 12_000;

/// One frame of the display.
const FRAME_MS: u32 = 16;

/// Opens the connection and reopens it whenever it is lost, until the current owner is cleaned up.
pub fn keep_open(live: Live) {
    let mut reconnect = reconnect_signals();
    spawn_local_scoped_with_cancellation(async move {
        let mut failures = 0;
        loop {
            let was_live = listen(live).await;
            live.connection_lost();
            failures = if was_live { 0 } else { failures + 1 };
            while reconnect.next().now_or_never().is_some() {}
            let wait = TimeoutFuture::new(delay_ms(failures, js_sys::Math::random()));
            if let Either::Right(_) = select(wait, reconnect.next()).await {
                failures = 0;
            }
        }
    });
}

/// Runs one connection until it ends. Returns whether the server's `hello` arrived.
async fn listen(live: Live) -> bool {
    let Some(mut socket) = address(live).and_then(|url| WebSocket::open(&url).ok()) else { return false };
    let mut was_live = false;
    while let Either::Left((Some(Ok(message)), _)) = select(socket.next(), TimeoutFuture::new(SILENCE_MS)).await {
        was_live |= handle(live, message);
        // The first message is handled at once, those within the same frame together. The start of a generation is five
        // messages, which had caused five layouts.
        TimeoutFuture::new(FRAME_MS).await;
        while let Some(next) = socket.next().now_or_never() {
            let Some(Ok(message)) = next else { return was_live };
            was_live |= handle(live, message);
        }
    }
    was_live
}

/// Handles one message. Returns whether the connection is live.
fn handle(live: Live, message: Message) -> bool {
    if let Message::Text(text) = message {
        live.log_message(&text);
        live.handle_message(&text);
    }
    live.connection.get_untracked() == Connection::Live
}

/// `ws://host/ws`, or `wss:` on a page with TLS.
fn address(live: Live) -> Option<String> {
    let location = window().location();
    let scheme = if location.protocol().ok()? == "https:" { "wss" } else { "ws" };
    Some(format!("{scheme}://{}{}", location.host().ok()?, protocol::url_path(&live.socket_path())))
}

/// Signals to reconnect without further delay: the browser is online again, or the page is visible again.
fn reconnect_signals() -> UnboundedReceiver<()> {
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
