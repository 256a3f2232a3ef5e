//! One client's connection.

use crate::state::AppState;
use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    },
    response::Response,
};
use std::time::Duration;
use tokio::{sync::broadcast::error::RecvError, time::timeout};

/// A client has nothing to say but pings and close; a larger frame ends the connection.
const MAX_INCOMING_BYTES: usize = 4096;

/// How long one frame may wait for a client that does not read.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Upgrades `GET /ws`.
pub async fn connect(State(state): State<AppState>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .max_message_size(MAX_INCOMING_BYTES)
        .max_frame_size(MAX_INCOMING_BYTES)
        .on_upgrade(move |socket| state.sockets.clone().track_future(serve(socket, state)))
}

async fn serve(mut socket: WebSocket, state: AppState) {
    let (hello, mut events) = state.hub.subscribe();
    let Ok(hello) = serde_json::to_string(&hello) else { return };
    if !send(&mut socket, hello.into()).await {
        return;
    }
    let (code, reason) = loop {
        tokio::select! {
            () = state.stopping.cancelled() => break (close_code::AWAY, "the server is stopping"),
            event = events.recv() => match event {
                Ok(text) => if !send(&mut socket, (&*text).into()).await { return },
                Err(RecvError::Lagged(_)) => break (close_code::AGAIN, "too far behind; connect again"),
                Err(RecvError::Closed) => return,
            },
            incoming = socket.recv() => match incoming {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Text(_) | Message::Binary(_))) => {
                    break (close_code::POLICY, "this socket only sends; nothing is expected from a client");
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
        }
    };
    let close = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
    // The client may be gone already, and that is as good.
    timeout(SEND_TIMEOUT, socket.send(close)).await.ok();
}

async fn send(socket: &mut WebSocket, text: Utf8Bytes) -> bool {
    matches!(timeout(SEND_TIMEOUT, socket.send(Message::Text(text))).await, Ok(Ok(())))
}
