//! The accept loop. The number of connections is limited, and each has time limits, so that slow, silent or vanished clients
//! hold few resources and not for long. `axum::serve` has neither limit.

mod body;
mod connection;
pub mod descriptors;
mod limits;
mod pace;
mod refusal;
mod registry;
mod stream;

pub use limits::Limits;
pub use registry::{Connection, SocketPlace};

use axum::Router;
use connection::Shared;
use pace::Pace;
use registry::Registry;
use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use stream::Stream;
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Delay after a failed `accept`. The usual cause is that no file descriptor is free.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Interval for trimming memory and logging refusals.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// Memory is returned to the system after this many closed connections, or this many bytes of request bodies.
const TRIM_CONNECTIONS: u64 = 64;
const TRIM_BODY_BYTES: u64 = 8 << 20;
/// Refusals are logged at most once in this many intervals.
const LOG_EVERY: u32 = 12;

/// Unsent bytes of a response in the kernel's buffer. A larger buffer would hide for minutes that a client does not read.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_BYTES: u32 = 64 * 1024;

/// Serves HTTP/1.1 and WebSockets until `stopping` is cancelled. Then closes connections that wait for their client and waits
/// for requests in progress.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stopping: CancellationToken) {
    let registry = Arc::new(Registry::new(limits));
    let shared = Shared { router, limits, stopping: stopping.clone() };
    let connections = TaskTracker::new();
    let housekeeping = tokio::spawn(run_housekeeping(Arc::clone(&registry), stopping.clone()));
    let mut failed = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopping.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => accept(stream, peer, &registry, &shared, &connections),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if failed.is_none_or(|at: Instant| at.elapsed() > HOUSEKEEPING * LOG_EVERY) {
                    tracing::warn!(%error, "cannot accept connections");
                    failed = Some(Instant::now());
                }
                registry.make_room();
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    if housekeeping.await.is_err() {
        tracing::error!("the connections' housekeeping task panicked");
    }
}

fn accept(stream: TcpStream, peer: SocketAddr, registry: &Arc<Registry>, shared: &Shared, connections: &TaskTracker) {
    let pace = Arc::new(Pace::new());
    let Some((place, evicted)) = registry.admit(peer.ip(), &pace) else {
        refusal::refuse(stream);
        return;
    };
    // Events are small and frequent. If the option cannot be set, the connection works, but with more latency.
    stream.set_nodelay(true).ok();
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES).ok();
    let connection = place.connection(&pace);
    let stream = Stream::new(stream, Arc::clone(&pace), place);
    connections.spawn(connection::serve(stream, peer, connection, pace, evicted, shared.clone()));
}

/// Whether the error concerns only the connection that was to be accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Returns memory to the system after many connections or large bodies, and logs evictions and refusals at most once a minute.
async fn run_housekeeping(registry: Arc<Registry>, stopping: CancellationToken) {
    let (mut ended, mut bytes, mut logged, mut quiet) = (0, 0, 0, LOG_EVERY);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = sleep(HOUSEKEEPING) => {}
        }
        let (ended_now, bytes_now, crowded_out) = registry.totals();
        if ended_now - ended >= TRIM_CONNECTIONS || bytes_now - bytes >= TRIM_BODY_BYTES {
            (ended, bytes) = (ended_now, bytes_now);
            // Takes some milliseconds. If it cannot run, the next round tries again.
            tokio::task::spawn_blocking(huge_pages::trim).await.ok();
        }
        quiet = quiet.saturating_add(1);
        if crowded_out > logged && quiet >= LOG_EVERY {
            tracing::warn!(
                connections = crowded_out - logged,
                "too many connections: idle ones made room, or new ones were refused"
            );
            (logged, quiet) = (crowded_out, 0);
        }
    }
}
