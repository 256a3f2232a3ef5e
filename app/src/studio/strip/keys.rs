//! The keyboard, wherever the focus is, but for fields that are typed in.

use super::{STRIP, Strip};
use crate::browser;
use leptos::{ev, prelude::*, wasm_bindgen::JsCast, web_sys::Element};

impl Strip {
    /// A key.
    pub fn key(self, event: &ev::KeyboardEvent) {
        let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
        if event.default_prevented()
            || target.closest("input, textarea, select, dialog, [popover]").ok().flatten().is_some()
        {
            return;
        }
        let on_button = target.closest("button:not(.clip-button), a, summary").ok().flatten().is_some();
        let command = event.ctrl_key() || event.meta_key();
        let key = event.key();
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
                if let Some(id) = self.store.current.with_untracked(|frame| frame.as_ref().map(|frame| frame.id)) {
                    self.duplicate(id);
                }
                true
            }
            (true, _) => false,
            (false, " " | "Enter") if on_button => false,
            (false, key) => self.plain_key(key, event.alt_key()),
        };
        if done {
            event.prevent_default();
        }
    }

    fn plain_key(self, key: &str, alt: bool) -> bool {
        let current = self.store.current.with_untracked(|frame| frame.as_ref().map(|frame| (frame.id, frame.duration)));
        match (key, current) {
            ("ArrowLeft", Some((id, _))) if alt => self.move_by(id, -1),
            ("ArrowRight", Some((id, _))) if alt => self.move_by(id, 1),
            ("ArrowUp", Some((id, duration))) if alt => self.stretch(id, duration, duration.saturating_add(1)),
            ("ArrowDown", Some((id, duration))) if alt => self.stretch(id, duration, (duration - 1).max(1)),
            ("ArrowLeft", _) => self.step_with_focus(-1),
            ("ArrowRight", _) => self.step_with_focus(1),
            ("Home", _) => self.step_with_focus(isize::MIN),
            ("End", _) => self.step_with_focus(isize::MAX),
            ("Delete" | "Backspace", Some((id, _))) => self.delete(id),
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

    /// The focus goes with the choice, if it was in the strip.
    fn step_with_focus(self, by: isize) {
        let focused = browser::find(&format!("{STRIP} :focus")).is_some();
        self.step(by);
        if focused {
            request_animation_frame(|| browser::focus("#strip [aria-pressed=\"true\"]"));
        }
    }
}
