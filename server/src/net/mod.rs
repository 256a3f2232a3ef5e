//! The accept loop. Every connection has time limits, and there are only so many: a client that is slow, silent or gone costs
//! little, and not for long. (`axum::serve` has neither.)

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

/// How long the loop waits after the system could not accept: mostly for want of a descriptor.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How often memory and refusals are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// From so many ended connections on, or so many bytes of bodies, freed memory goes back to the system.
const TRIM_CONNECTIONS: u64 = 64;
const TRIM_BODY_BYTES: u64 = 8 << 20;
/// How often it is said that connections are refused.
const SAY_EVERY: u32 = 12;

/// Bytes of an answer that may lie unsent in the system's buffer. More would hide for minutes whether a slow client reads.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_BYTES: u32 = 64 * 1024;

/// Serves HTTP/1.1 and WebSockets until `stopping`; then ends what waits for its client, and waits for requests that are
/// being answered.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stopping: CancellationToken) {
    let registry = Arc::new(Registry::new(limits));
    let shared = Shared { router, limits, stopping: stopping.clone() };
    let connections = TaskTracker::new();
    let housekeeping = tokio::spawn(keep_house(Arc::clone(&registry), stopping.clone()));
    let mut failed = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopping.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => accept(stream, peer, &registry, &shared, &connections),
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                if failed.is_none_or(|at: Instant| at.elapsed() > HOUSEKEEPING * SAY_EVERY) {
                    tracing::warn!(%error, "connections cannot be accepted");
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
        tracing::error!("the task that looks after connections panicked");
    }
}

fn accept(stream: TcpStream, peer: SocketAddr, registry: &Arc<Registry>, shared: &Shared, connections: &TaskTracker) {
    let pace = Arc::new(Pace::new());
    let Some((place, evicted)) = registry.admit(peer.ip(), &pace) else {
        refusal::refuse(stream);
        return;
    };
    // Events are small and follow each other quickly. A socket that cannot be set up so is as good, and slower.
    stream.set_nodelay(true).ok();
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES).ok();
    let connection = place.connection(&pace);
    let stream = Stream::new(stream, Arc::clone(&pace), place);
    connections.spawn(connection::serve(stream, peer, connection, pace, evicted, shared.clone()));
}

/// Whether only that one connection failed.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Gives memory back after many connections or large bodies, and says that connections were refused, once a minute at most.
async fn keep_house(registry: Arc<Registry>, stopping: CancellationToken) {
    let (mut ended, mut bytes, mut told, mut quiet) = (0, 0, 0, SAY_EVERY);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = sleep(HOUSEKEEPING) => {}
        }
        let (ended_now, bytes_now, crowded_out) = registry.totals();
        if ended_now - ended >= TRIM_CONNECTIONS || bytes_now - bytes >= TRIM_BODY_BYTES {
            (ended, bytes) = (ended_now, bytes_now);
            // Some milliseconds; a failure to run it is the next round's affair.
            tokio::task::spawn_blocking(huge_pages::trim).await.ok();
        }
        quiet = quiet.saturating_add(1);
        if crowded_out > told && quiet >= SAY_EVERY {
            tracing::warn!(
                connections = crowded_out - told,
                "too many connections: idle ones made room, or new ones were refused"
            );
            (told, quiet) = (crowded_out, 0);
        }
    }
}
