//! What clients get while the database does not answer.

use crate::state::AppState;
use protocol::Problem;
use std::time::Duration;

/// After this time without an answer the server is not ready: a load balancer sends requests elsewhere.
pub const NOT_READY: Duration = Duration::from_secs(2);

/// After this time without an answer WebSockets are closed. Clients connect again, perhaps to a server whose network is not cut;
/// a shorter time would close them at each restart of the database.
pub const CLOSE_SOCKETS: Duration = Duration::from_secs(15);

/// How often an open WebSocket looks.
const LOOK: Duration = Duration::from_secs(1);

/// The problem of a client while the database has not answered for `at_least`.
///
/// # Errors
/// The database has not answered for that long.
pub fn check(state: &AppState, at_least: Duration) -> Result<(), Problem> {
    match state.store.silence() < at_least {
        true => Ok(()),
        false => Err(Problem::Unavailable("the server's database cannot be reached".to_owned())),
    }
}

/// Waits until the database has not answered for [`CLOSE_SOCKETS`].
pub async fn wait(state: &AppState) {
    while state.store.silence() < CLOSE_SOCKETS {
        tokio::time::sleep(LOOK).await;
    }
}
