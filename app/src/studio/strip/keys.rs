//! The keyboard, wherever the focus is, but for fields that are typed in.

use super::{STRIP, Strip};
use crate::browser;
use leptos::{ev, prelude::*};
use timeline::Selection;

/// Keys that mean one thing each time they are pressed, however long they are held.
const ONCE: [&str; 8] = ["Delete", "Backspace", " ", "Enter", "d", "o", "j", "l"];

impl Strip {
    /// A key.
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
        if event.repeat() && ONCE.contains(&key.as_str()) {
            return event.prevent_default();
        }
        // Edits are meant for the frame that is seen, also the one under the play cursor.
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
                if let Some(id) = self.shown() {
                    self.duplicate(id);
                }
                true
            }
            (true, "a") => {
                self.mark_all();
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
        match (key, self.shown()) {
            ("ArrowLeft", Some(id)) if alt => self.nudge(id, false),
            ("ArrowRight", Some(id)) if alt => self.nudge(id, true),
            ("ArrowUp", Some(id)) if alt => self.stretch_by(id, 1),
            ("ArrowDown", Some(id)) if alt => self.stretch_by(id, -1),
            ("ArrowLeft", _) => self.step_with_focus(-1, shift),
            ("ArrowRight", _) => self.step_with_focus(1, shift),
            ("Home", _) => self.step_with_focus(isize::MIN, shift),
            ("End", _) => self.step_with_focus(isize::MAX, shift),
            ("Delete" | "Backspace", Some(id)) => self.delete(id),
            // Without marks it is the browser's, which closes panels by it.
            ("Escape", Some(id)) if !self.marks.with_untracked(Selection::is_empty) => {
                self.marks.update(|marks| marks.clear(id.0))
            }
            (" ", _) => self.toggle_play(),
            ("o", _) => self.store.onion.update(|onion| *onion = (*onion + 1) % 4),
            ("k", _) => self.stop(),
            ("j", _) => self.shuttle(false),
            ("l", _) => self.shuttle(true),
            ("+", _) => browser::click("zoom-in"),
            ("-", _) => browser::click("zoom-out"),
            ("0", _) => browser::click("zoom-fit"),
            ("1", _) => browser::click("zoom-actual"),
            ("?", _) => browser::open("keys"),
            _ => return false,
        }
        true
    }

    /// The focus goes with the choice, if it was in the strip; with `extend`, all on the way is marked.
    fn step_with_focus(self, by: isize, extend: bool) {
        let focused = browser::find(&format!("{STRIP} :focus")).is_some();
        let before = self.shown();
        self.step(by);
        self.mark_step(before, extend);
        // Also where nothing changed: at an end the current clip may have been scrolled out of sight.
        if let Some(id) = self.shown() {
            self.reveal(id);
        }
        if focused {
            request_animation_frame(|| browser::focus("#strip [aria-current=\"true\"]"));
        }
    }
}
