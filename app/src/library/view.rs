//! The page's state.

use crate::drafts::Filter;
use leptos::prelude::*;

/// The page's state as signals.
#[derive(Clone, Copy)]
pub struct LibraryView {
    /// Which files are listed.
    pub filter: RwSignal<Filter>,
    /// The files.
    pub page: RwSignal<protocol::LibraryPage>,
    /// Counts the requests for the list. Responses may arrive out of order: only the newest is shown.
    pub(super) version: RwSignal<u32>,
    /// The error of the last request.
    pub(super) failed: RwSignal<Option<String>>,
}
