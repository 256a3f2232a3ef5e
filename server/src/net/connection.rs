//! One connection: its requests, one after the other, each as far as the time limits allow.

use super::{
    body::{Answer, Received},
    limits::Limits,
    pace::Pace,
    registry::Connection,
    stream::Stream,
};
use crate::http::problem::ApiError;
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

/// The most of a request's header, and of a body on its way to its reader, bytes.
const BUFFER_BYTES: usize = 64 * 1024;

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) router: Router,
    pub(super) limits: Limits,
    pub(super) stopping: CancellationToken,
}

/// Serves a connection to its end: the client's, its time's, the server's, or until it makes room for another.
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
        // Hyper counts from when an answer is handed over, and would cut one off that takes longer to go out. `Pace` does not.
        .header_read_timeout(None)
        .max_buf_size(BUFFER_BYTES)
        .max_header_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = pin!(serving);
    tokio::select! {
        // What has been answered goes out before the time is looked at.
        biased;
        // A fault of the connection's is its client's affair.
        _ = serving.as_mut() => return,
        () = pace.over(&limits, false) => return,
        () = evicted.cancelled() => return,
        () = stopping.cancelled() => {}
    }
    if pace.is_at_work() {
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
    pace.begin_work();
    let mut request = request.map(|body| Body::new(Received::new(body, Arc::clone(&pace))));
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(connection);
    let Ok(mut response) = router.oneshot(request).await;
    // Whatever the handler made of a body that broke off.
    if pace.is_body_expired() {
        let why = Problem::Conflict("the request's body came too slowly".to_owned());
        response = ApiError::with_status(StatusCode::REQUEST_TIMEOUT, why).into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| Answer::new(body, pace))
}
