//! Serves one connection's requests within the time limits.

use super::{
    body::{Answer, Received},
    limits::Limits,
    pace::Pace,
    registry::Connection,
    stream::Stream,
};
use crate::problem::ApiError;
use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderValue, Request, Response, StatusCode, header},
    response::IntoResponse,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use protocol::Problem;
use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Maximum size of a request's header, and of the part of a body that is buffered, bytes.
const BUFFER_BYTES: usize = 64 * 1024;

/// Shared by all connections.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) router: Router,
    pub(super) limits: Limits,
    pub(super) stopping: CancellationToken,
}

/// Serves a connection until the client closes it, a time limit passes, it is evicted, or the server stops.
pub(super) async fn serve(
    stream: Stream,
    peer: SocketAddr,
    connection: Connection,
    pace: Arc<Pace>,
    evicted: CancellationToken,
    Shared { router, limits, stopping }: Shared,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (router, pace, connection) = (router.clone(), Arc::clone(&pace), connection.clone());
        async move { Ok::<_, Infallible>(answer(router, pace, connection, peer, request).await) }
    });
    let serving = http1::Builder::new()
        // Hyper starts this timeout when it is handed a response, so it would cut off one that takes longer to send. `Pace`
        // starts it when the last byte was sent.
        .header_read_timeout(None)
        .max_buf_size(BUFFER_BYTES)
        .max_header_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = pin!(serving);
    tokio::select! {
        // Send responses that are ready before checking the time.
        biased;
        // Connection errors are the client's and are not logged.
        _ = serving.as_mut() => return,
        () = pace.over(&limits, false) => return,
        () = evicted.cancelled() => return,
        () = stopping.cancelled() => {}
    }
    if pace.is_handling_request() {
        serving.as_mut().graceful_shutdown();
    }
    tokio::select! {
        biased;
        _ = serving => {}
        () = pace.over(&limits, true) => {}
    }
}

async fn answer(
    router: Router,
    pace: Arc<Pace>,
    connection: Connection,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<Answer> {
    pace.begin_request();
    let mut request = request.map(|body| Body::new(Received::new(body, Arc::clone(&pace))));
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(connection);
    let Ok(mut response) = router.oneshot(request).await;
    // Replaces the handler's response to the incomplete body.
    if pace.is_body_expired() {
        let why = Problem::Conflict("the request's body came too slowly".to_owned());
        response = ApiError::with_status(StatusCode::REQUEST_TIMEOUT, why).into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| Answer::new(body, pace))
}
