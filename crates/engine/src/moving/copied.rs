//! What was copied.

use store::MovedTrace;

/// A file that was copied, or was there.
pub(super) struct Copied {
    pub(super) kind: Kind,
    /// None if it was there.
    pub(super) bytes: Option<u64>,
    /// A trace or a saved state that is an object at the new place.
    pub(super) trace: Option<MovedTrace>,
}

impl Copied {
    pub(super) fn new(kind: Kind, bytes: Option<u64>) -> Self {
        Self { kind, bytes, trace: None }
    }
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Picture,
    Preview,
    Trace,
    /// One that is missing or damaged at the old place.
    LostTrace,
}
