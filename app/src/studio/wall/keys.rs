//! The wall's keys, wherever the focus is, except in input fields. The timeline leaves them alone while a wall is open.

use super::view::Wall;
use crate::{
    browser,
    studio::timeline::{bound_key, is_typing},
};
use leptos::ev;

/// What has the focus.
const FOCUSED: &str = ".wall-cell:focus-within";
/// The buttons of the takes.
const TAKES: &str = ".wall-take";

impl Wall {
    /// Handles a key press.
    pub(super) fn key(self, event: &ev::KeyboardEvent) {
        let with = event.ctrl_key() || event.meta_key() || event.alt_key();
        if with || is_typing(event) || browser::find(":popover-open").is_some() {
            return;
        }
        let key = bound_key(event);
        let is_held = event.repeat() && !key.starts_with("Arrow");
        let done = match key.as_str() {
            _ if is_held => false,
            "Escape" => {
                self.close();
                true
            }
            // Nothing else is deleted by these keys while it is open.
            "x" | "Delete" | "Backspace" => {
                self.discard_focused();
                true
            }
            // On another button the key presses that.
            "Enter" => !on_other_button(event) && self.finish(),
            "ArrowLeft" => move_focus(-1),
            "ArrowRight" => move_focus(1),
            "ArrowUp" => move_focus(-columns()),
            "ArrowDown" => move_focus(columns()),
            digit => match digit.parse::<usize>() {
                Ok(number @ 1..=9) => {
                    self.pick_at(number - 1);
                    true
                }
                _ => false,
            },
        };
        if done {
            event.prevent_default();
        }
    }

    /// Discards the take that has the focus.
    fn discard_focused(self) {
        if let Some(take) = browser::find(FOCUSED).and_then(|cell| cell.get_attribute("data-id")?.parse().ok()) {
            self.discard(take);
        }
    }
}

fn on_other_button(event: &ev::KeyboardEvent) -> bool {
    let button = browser::target(event).and_then(|target| target.closest("button:not(.wall-take), a, summary").ok()?);
    button.is_some()
}

/// Moves the focus by so many takes; to the first one if none has it.
fn move_focus(by: isize) -> bool {
    let takes = browser::find_all(TAKES);
    let at = takes.iter().position(|take| take.matches(":focus") == Ok(true));
    let last = takes.len().saturating_sub(1);
    let to = at.map_or(0, |at| at.saturating_add_signed(by).min(last));
    browser::focus(&format!(".wall-cell:nth-child({}) .wall-take", to + 1));
    true
}

/// The number of takes in a row.
fn columns() -> isize {
    let tops: Vec<f64> = browser::find_all(TAKES).iter().map(|take| browser::area(take).top).collect();
    tops.iter().take_while(|top| Some(*top) == tops.first()).count() as isize
}
