//! One client's connection.

use super::hub::{Position, Subscription};
use crate::{
    http::{access::Session, problem::ApiError},
    state::AppState,
};
use axum::{
    Extension,
    extract::{
        Query, State, WebSocketUpgrade,
        rejection::QueryRejection,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    },
    http::StatusCode,
    response::Response,
};
use protocol::{Event, Hello, Problem, ProjectId, Resync};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::timeout;

/// A client has nothing to say but pings and close; a larger frame ends the connection.
const MAX_INCOMING_BYTES: usize = 4096;

/// How long one frame may wait for a client that does not read. Its socket's buffers are full by then.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// The address' query: `/ws?epoch=E&since=SEQ&project_id=N`, each of them optional.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Asked {
    /// The epoch that `since` belongs to.
    epoch: Option<String>,
    /// The last seq heard: what came after it is told again.
    since: Option<u64>,
    /// Only this project's events.
    project_id: Option<i64>,
}

/// Upgrades `GET /ws`.
pub async fn connect(
    State(state): State<AppState>,
    session: Option<Extension<Session>>,
    asked: Result<Query<Asked>, QueryRejection>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let Query(Asked { epoch, since, project_id }) = asked.map_err(|rejection| {
        let problem = Problem::invalid("query", format!("epoch, since and project_id: {}", rejection.body_text()));
        ApiError::with_status(StatusCode::BAD_REQUEST, problem)
    })?;
    let position = Position { epoch, since, project_id: project_id.map(ProjectId) };
    Ok(upgrade
        .max_message_size(MAX_INCOMING_BYTES)
        .max_frame_size(MAX_INCOMING_BYTES)
        .on_upgrade(move |socket| state.sockets.clone().track_future(serve(socket, state, position, session))))
}

async fn serve(mut socket: WebSocket, state: AppState, position: Position, session: Option<Extension<Session>>) {
    let subscription = state.hub.subscribe(&position);
    for event in greeting(&state, &position, &subscription).await {
        let Ok(text) = serde_json::to_string(&protocol::Message { seq: None, event }) else { return };
        if !send(&mut socket, text.into()).await {
            return;
        }
    }
    let reader = subscription.reader;
    let signed_out = async move {
        match session {
            Some(Extension(session)) => session.over().await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(signed_out);
    let (code, reason) = loop {
        tokio::select! {
            () = state.stopping.cancelled() => break (close_code::AWAY, "the server is stopping"),
            () = &mut signed_out => break (close_code::POLICY, "signed out"),
            entry = reader.next() => match entry {
                Ok(entry) => if !send(&mut socket, entry.text.clone()).await { return },
                Err(_) => break (close_code::AGAIN, "too far behind; connect again"),
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

/// `hello`, and `resync` where what the client missed cannot be told. The tasks are read after the client was
/// subscribed: what happens in between is heard twice at most, never missed.
async fn greeting(state: &AppState, position: &Position, subscription: &Subscription) -> Vec<Event> {
    let mut tasks = state.services.open_tasks().await.unwrap_or_default();
    tasks.retain(|task| position.project_id.is_none_or(|project| task.project_id == project));
    let hello = Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: state.hub.epoch().to_owned(),
        seq: subscription.seq,
        tasks,
    };
    let resync = subscription.resync.map(|reason| Resync { seq: subscription.seq, reason: reason.to_owned() });
    std::iter::once(Event::Hello(hello)).chain(resync.map(Event::Resync)).collect()
}

async fn send(socket: &mut WebSocket, text: Utf8Bytes) -> bool {
    matches!(timeout(SEND_TIMEOUT, socket.send(Message::Text(text))).await, Ok(Ok(())))
}
