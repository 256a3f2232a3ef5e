//! Connections for one purpose each: renewing leases, sending steps and previews, sessions.

use crate::backend::{Reach, postgres::Line};

/// The connections that only renew leases, send steps, and free the space of old previews. With those of the pool, which wait for
/// each other's transactions, a busy server would lose its runs.
pub(crate) struct Leases {
    pub(crate) renewals: Line,
    pub(crate) steps: Line,
    pub(crate) vacuum: Line,
    /// Sessions and attempts to sign in: many attempts wait for each other, and not for requests.
    pub(crate) access: Line,
}

impl Leases {
    pub(crate) fn new(database: &str, reach: &Reach) -> Self {
        // A renewal that is lost in a crash of the database costs nothing.
        let setup = "SET synchronous_commit = off; SET lock_timeout = '3s'";
        let line = |name| Line::new(database, reach.clone(), name, setup);
        Self {
            renewals: line("emberline (leases)"),
            steps: line("emberline (steps)"),
            vacuum: line("emberline (vacuum)"),
            access: Line::new(database, reach.clone(), "emberline (sessions)", ""),
        }
    }
}
