//! Connections for one purpose each: renewing leases, sending steps and previews, sessions.

use crate::backend::{Reach, postgres::Line};
use crate::timing::Timing;

/// The connections that only renew leases, send steps, and free the space of old previews. With those of the pool, which wait for
/// each other's transactions, a busy server would lose its runs.
pub(crate) struct Leases {
    pub(crate) renewals: Line,
    pub(crate) steps: Line,
    pub(crate) vacuum: Line,
    /// Sessions, attempts to sign in, and exports: many attempts wait for each other, and not for requests.
    pub(crate) shared: Line,
    /// Questions about runs between two renewals, on the same connection.
    pub(crate) asks: Timing,
}

impl Leases {
    pub(crate) fn new(database: &str, reach: &Reach) -> Self {
        let line = |name| Line::new(database, reach.clone(), name, "SET lock_timeout = '3s'");
        // A renewal that is lost in a crash of the database costs nothing.
        let quick = |name| line(name).beginning_with("SET LOCAL synchronous_commit = off; ");
        Self {
            renewals: quick("emberline (leases)"),
            steps: quick("emberline (steps)"),
            // A worker whose role does not own the table would be warned each time.
            vacuum: Line::new(database, reach.clone(), "emberline (vacuum)", "SET client_min_messages = error"),
            shared: Line::new(database, reach.clone(), "emberline (sessions)", ""),
            asks: Timing::default(),
        }
    }

    /// The time of each kind of statement.
    pub(crate) fn timings(&self) -> [(&'static str, &Timing); 5] {
        let Self { renewals, steps, vacuum, shared, asks } = self;
        let [renewals, steps, vacuum, shared] = [renewals, steps, vacuum, shared].map(Line::timing);
        [("renewal", renewals), ("ask", asks), ("step", steps), ("vacuum", vacuum), ("session", shared)]
    }
}
