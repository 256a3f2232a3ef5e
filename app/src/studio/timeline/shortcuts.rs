//! Keyboard shortcuts, wherever the focus is, except in input fields.

use super::{STRIP, Timeline};
use crate::browser;
use leptos::{ev, prelude::*, web_sys};
use timeline::Selection;

/// Keys that act once for each press and do not repeat while held.
const NO_REPEAT: [&str; 9] = ["Delete", "Backspace", " ", "Enter", "d", "o", "j", "l", "w"];

/// Signs that are bound themselves, wherever a layout has them.
const BOUND: [char; 3] = ['+', '-', '?'];

/// The name by which a key is bound. A Latin letter counts as typed, also with Caps Lock. A key that types no Latin letter counts as
/// the one in its place on the US layout: `щ` as `o`, and the unshifted digits of a French keyboard as digits.
fn binding(key: &str, code: &str, shift: bool) -> String {
    let mut chars = key.chars();
    match (chars.next(), chars.next()) {
        (Some(letter), None) if letter.is_ascii_alphabetic() => letter.to_ascii_lowercase().to_string(),
        (Some(letter), None) if letter.is_alphabetic() && code.starts_with("Key") => code["Key".len()..].to_lowercase(),
        (Some(sign), None) if !shift && !BOUND.contains(&sign) && code.starts_with("Digit") => {
            code["Digit".len()..].to_owned()
        }
        _ => key.to_owned(),
    }
}

/// Keys that belong to the wall while it is open.
fn is_of_wall(key: &str) -> bool {
    matches!(key, "Enter" | "Escape" | "x" | "Delete" | "Backspace")
        || key.starts_with("Arrow")
        || key.parse::<u8>().is_ok()
}

/// The name by which the pressed key is bound.
pub fn bound_key(event: &ev::KeyboardEvent) -> String {
    binding(&event.key(), &event.code(), event.shift_key())
}

/// Whether the key is for an input field, a dialog or a panel.
pub fn is_typing(event: &ev::KeyboardEvent) -> bool {
    let inside = |target: web_sys::Element| target.closest("input, textarea, select, dialog, [popover]").ok().flatten();
    event.default_prevented() || browser::target(event).and_then(inside).is_some()
}

impl Timeline {
    /// Handles a key press.
    pub fn key(self, event: &ev::KeyboardEvent) {
        let Some(target) = browser::target(event) else { return };
        if is_typing(event) {
            return;
        }
        let on_button = target.closest("button:not(.clip-button), a, summary").ok().flatten().is_some();
        let command = event.ctrl_key() || event.meta_key();
        let key = bound_key(event);
        if !command && !event.alt_key() && self.store.shows_wall.get_untracked() && is_of_wall(&key) {
            return;
        }
        if event.repeat() && NO_REPEAT.contains(&key.as_str()) {
            return event.prevent_default();
        }
        // Edits apply to the visible frame, also to the one under the play cursor.
        if command || event.alt_key() || matches!(key.as_str(), "Delete" | "Backspace") {
            self.stop();
        }
        let done = match (command, key.as_str()) {
            (true, "z") => {
                if event.shift_key() {
                    self.redo()
                } else {
                    self.undo()
                }
                true
            }
            (true, "y") => {
                self.redo();
                true
            }
            (true, "d") => {
                if let Some(id) = self.current() {
                    self.duplicate(id);
                }
                true
            }
            (true, "a") => {
                self.select_all();
                true
            }
            (true, _) => false,
            (false, " " | "Enter") if on_button => false,
            (false, key) => self.plain_key(key, event.alt_key(), event.shift_key()),
        };
        if done {
            event.prevent_default();
        }
    }

    fn plain_key(self, key: &str, alt: bool, shift: bool) -> bool {
        match (key, self.current()) {
            ("ArrowLeft", Some(id)) if alt => self.nudge(id, false),
            ("ArrowRight", Some(id)) if alt => self.nudge(id, true),
            ("ArrowUp", Some(id)) if alt => self.stretch_by(id, 1),
            ("ArrowDown", Some(id)) if alt => self.stretch_by(id, -1),
            ("ArrowLeft", _) => self.step_with_focus(-1, shift),
            ("ArrowRight", _) => self.step_with_focus(1, shift),
            ("Home", _) => self.step_with_focus(isize::MIN, shift),
            ("End", _) => self.step_with_focus(isize::MAX, shift),
            ("Delete" | "Backspace", Some(id)) => self.delete(id),
            ("Escape", _) if self.drag.get_untracked().is_some() => self.drag.set(None),
            // Without a selection the browser handles it: it closes panels.
            ("Escape", Some(id)) if !self.selection.with_untracked(Selection::is_empty) => {
                self.selection.update(|selection| selection.clear(id.0))
            }
            (" ", _) => self.toggle_play(),
            ("o", _) => self.store.next_onion(),
            ("k", _) => self.stop(),
            ("j", _) => self.shuttle(false),
            ("l", _) => self.shuttle(true),
            ("+", _) => self.stage.zoom_in(),
            ("-", _) => self.stage.zoom_out(),
            ("0", _) => self.stage.fit(),
            ("1", _) => self.stage.actual_size(),
            ("w", _) if browser::find(".wall-opener").is_some() => self.store.toggle_wall(),
            ("?", _) => browser::open("keys"),
            _ => return false,
        }
        true
    }

    /// Steps and moves the focus along, if it was in the timeline; `extend` selects the frames in between.
    fn step_with_focus(self, by: isize, extend: bool) {
        let focused = browser::find(&format!("{STRIP} :focus")).is_some();
        let before = self.current();
        self.step(by);
        self.select_step(before, extend);
        // Also at an end, where nothing changed: the current clip may have been scrolled out of view.
        if let Some(id) = self.current() {
            self.reveal(id);
        }
        if focused {
            request_animation_frame(|| browser::focus("#strip [aria-current=\"true\"]"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::binding;

    #[test]
    fn keys_are_bound_by_letter_then_by_place() {
        for (key, code, shift, bound) in [
            ("o", "KeyO", false, "o"),
            ("O", "KeyO", false, "o"),
            ("Z", "KeyZ", true, "z"),
            ("щ", "KeyO", false, "o"),
            ("Я", "KeyZ", true, "z"),
            // Dvorak: what is typed counts.
            ("o", "KeyS", false, "o"),
            // AZERTY types digits with Shift.
            ("à", "Digit0", false, "0"),
            ("&", "Digit1", false, "1"),
            ("1", "Digit1", true, "1"),
            ("-", "Digit6", false, "-"),
            ("!", "Digit1", true, "!"),
            ("+", "Equal", true, "+"),
            ("?", "Slash", true, "?"),
            (" ", "Space", false, " "),
            ("ArrowLeft", "ArrowLeft", false, "ArrowLeft"),
            ("é", "", false, "é"),
        ] {
            assert_eq!(binding(key, code, shift), bound, "{key} at {code}");
        }
    }
}
