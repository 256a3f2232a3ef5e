//! The list of keyboard shortcuts.

use crate::view::Erase;
use leptos::prelude::*;

const SHORTCUTS: [(&str, &str); 20] = [
    ("Ctrl + Enter", "Generate"),
    ("Space", "Play, pause"),
    ("J, K, L", "Play backwards, stop, play forwards; again for faster"),
    ("← →", "Previous, next frame"),
    ("Home, End", "First, last frame"),
    ("Alt + ← →", "Move the frame"),
    ("Alt + ↑ ↓", "Longer, shorter"),
    ("Shift + ← →, click", "Select a range"),
    ("Ctrl + click", "Select one more"),
    ("Ctrl + A, Esc", "Select all, none"),
    ("Ctrl + D", "Duplicate the frame"),
    ("Delete", "Delete the frame"),
    ("Ctrl + Z", "Undo"),
    ("Ctrl + Shift + Z", "Redo"),
    ("+ −", "Zoom the picture"),
    ("0, 1", "Fit the picture, one to one"),
    ("O", "Onion skin"),
    ("W", "All takes at once"),
    ("Ctrl + wheel", "Zoom the timeline"),
    ("?", "This list"),
];

/// The panel's content.
pub fn content() -> AnyView {
    let rows = SHORTCUTS.map(|(keys, does)| view! { <dt><kbd>{keys}</kbd></dt><dd>{does}</dd> }.erase());
    // Its region scrolls in low windows, which the keyboard can do only from inside.
    view! { <dl class="keys" tabindex="0">{rows.into_iter().collect::<Vec<_>>()}</dl> }.erase()
}
