//! One client's connection.

use super::converse::{Farewell, Timing, converse};
use crate::away;
use crate::events::Position;
use crate::events::Subscription;
use crate::problem::ApiError;
use crate::{
    http::{
        access::Session,
        openapi::{About, Api},
    },
    net,
    state::AppState,
};
use axum::{
    Extension,
    extract::{
        Query, State, WebSocketUpgrade,
        rejection::QueryRejection,
        ws::{Utf8Bytes, WebSocket, close_code},
    },
    http::StatusCode,
    response::Response,
};
use protocol::{Event, Hello, Problem, ProjectId, Resync};
use schemars::JsonSchema;
use serde::Deserialize;

/// Clients send only pings and close frames. A larger frame ends the connection.
const MAX_INCOMING_BYTES: usize = 4096;

/// Frames from this size on are written to the socket at once, bytes.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

const DATABASE_AWAY: Farewell =
    Farewell { code: close_code::AGAIN, reason: "the database cannot be reached; connect again" };

/// The query, every field optional: `/ws?epoch=E&since=SEQ&project_id=N`.
#[derive(Debug, Deserialize, JsonSchema)]
struct Asked {
    /// The epoch that `since` belongs to.
    epoch: Option<String>,
    /// The last `seq` received; later events are replayed.
    since: Option<u64>,
    /// Only events of this project and those without a project.
    project_id: Option<i64>,
}

/// The route with its summary.
pub fn routes(api: Api) -> Api {
    api.get(
        "/ws",
        connect,
        About::new("events", "Opens the WebSocket of events.").status(101).also(&[
            (400, "The query is invalid, or this is not a WebSocket request."),
            (426, "This is not a WebSocket request."),
        ]),
    )
}

/// Upgrades the connection.
async fn connect(
    State(state): State<AppState>,
    session: Option<Extension<Session>>,
    connection: Option<Extension<net::Connection>>,
    asked: Result<Query<Asked>, QueryRejection>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let Query(Asked { epoch, since, project_id }) = asked.map_err(|rejection| {
        let problem = Problem::invalid("query", format!("epoch, since and project_id: {}", rejection.body_text()));
        ApiError::with_status(StatusCode::BAD_REQUEST, problem)
    })?;
    away::check(&state, away::CLOSE_SOCKETS)?;
    let crowded = || Problem::Unavailable("there are too many WebSockets from this address".to_owned());
    let place = connection.map(|Extension(connection)| connection.become_socket().ok_or_else(crowded)).transpose()?;
    let position = Position { epoch, since, project_id: project_id.map(ProjectId) };
    Ok(upgrade
        .max_message_size(MAX_INCOMING_BYTES)
        .max_frame_size(MAX_INCOMING_BYTES)
        .read_buffer_size(MAX_INCOMING_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .on_upgrade(move |socket| {
            state.sockets.clone().track_future(async move {
                serve(socket, state, position, session).await;
                drop(place);
            })
        }))
}

async fn serve(mut socket: WebSocket, state: AppState, position: Position, session: Option<Extension<Session>>) {
    if let Some(entry) = state.hub.is_behind(&position) {
        state.store.published(entry).await;
    }
    let subscription = state.hub.subscribe(&position);
    let greeting = greeting(&state, &position, &subscription).await;
    let (stopping, database) = (state.stopping.clone(), state.clone());
    let farewell = async move {
        let signed_out = async {
            match session {
                Some(Extension(session)) => session.over().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopping.cancelled() => Farewell { code: close_code::AWAY, reason: "the server is stopping" },
            () = away::wait(&database) => DATABASE_AWAY,
            () = signed_out => Farewell { code: close_code::POLICY, reason: "signed out" },
        }
    };
    converse(&mut socket, greeting, &subscription.reader, Timing::default(), farewell).await;
}

/// `hello`, followed by `resync` if the events that the client missed are no longer available. The tasks are read after
/// subscribing: an event in between may be seen twice, but is never missed.
async fn greeting(state: &AppState, position: &Position, subscription: &Subscription) -> Vec<Utf8Bytes> {
    let mut tasks = state.services.open_tasks().await.unwrap_or_default();
    tasks.retain(|task| position.project_id.is_none_or(|project| task.project_id == project));
    let hello = Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: subscription.epoch.clone(),
        seq: subscription.seq,
        tasks,
    };
    let resync = subscription.resync.map(|reason| Resync { seq: subscription.seq, reason: reason.to_owned() });
    let events = std::iter::once(Event::Hello(hello)).chain(resync.map(Event::Resync));
    events.filter_map(|event| crate::events::json(&protocol::Message { seq: None, event })).collect()
}
