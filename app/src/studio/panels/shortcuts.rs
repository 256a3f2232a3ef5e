//! The list of keyboard shortcuts.

use crate::view::Erase;
use leptos::prelude::*;

const SHORTCUTS: [(&str, &str); 25] = [
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
    ("0", "Fit the picture"),
    ("1", "One to one"),
    ("O", "Onion skin"),
    ("W", "All takes at once"),
    ("1 to 9", "There: open the finished take, or choose the rough one"),
    ("X", "There: discard the take with the focus"),
    ("Enter", "There: finish the chosen takes"),
    ("Esc", "Leave it"),
    ("Ctrl + wheel", "Zoom the timeline"),
    ("?", "This list"),
];

/// The panel's content.
pub fn content() -> AnyView {
    let rows = SHORTCUTS.map(|(keys, does)| view! { <dt><kbd>{keys}</kbd></dt><dd>{does}</dd> }.erase());
    // Its region scrolls in low windows, which the keyboard can do only from inside.
    view! { <dl class="keys" tabindex="0">{rows.into_iter().collect::<Vec<_>>()}</dl> }.erase()
}
