//! Keyboard shortcuts, wherever the focus is, except in input fields.

use super::{STRIP, Timeline};
use crate::browser;
use leptos::{ev, prelude::*};
use timeline::Selection;

/// Keys that act once for each press and do not repeat while held.
const NO_REPEAT: [&str; 8] = ["Delete", "Backspace", " ", "Enter", "d", "o", "j", "l"];

impl Timeline {
    /// Handles a key press.
    pub fn key(self, event: &ev::KeyboardEvent) {
        let Some(target) = browser::target(event) else { return };
        if event.default_prevented()
            || target.closest("input, textarea, select, dialog, [popover]").ok().flatten().is_some()
        {
            return;
        }
        let on_button = target.closest("button:not(.clip-button), a, summary").ok().flatten().is_some();
        let command = event.ctrl_key() || event.meta_key();
        let key = event.key();
        if event.repeat() && NO_REPEAT.contains(&key.as_str()) {
            return event.prevent_default();
        }
        // Edits apply to the visible frame, also to the one under the play cursor.
        if command || event.alt_key() || matches!(key.as_str(), "Delete" | "Backspace") {
            self.stop();
        }
        let done = match (command, key.as_str()) {
            (true, "z" | "Z") => {
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
