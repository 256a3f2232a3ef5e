//! What the frame is made from, and its takes.

use super::Store;
use leptos::prelude::*;

/// The panel at the right.
pub fn inspector(store: Store) -> AnyView {
    let _ = store;
    view! { <aside class="inspector" aria-label="Frame"></aside> }.into_any()
}
