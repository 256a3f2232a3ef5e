//! The selection: actions apply to the current clip, or to all selected ones.

use super::Timeline;
use leptos::{ev, prelude::*};
use protocol::FrameId;

impl Timeline {
    /// The current frame.
    pub fn current(self) -> Option<FrameId> {
        self.store.current.with_untracked(|frame| frame.as_ref().map(|frame| frame.id))
    }

    /// The selected clips in order; empty while only the current one is selected.
    pub fn selected(self) -> Vec<i64> {
        self.clips.with(|clips| self.selection.with(|selection| selection.marked(clips)))
    }

    /// The clips that an action on this one applies to.
    pub(super) fn targets(self, id: FrameId) -> Vec<i64> {
        self.clips.with_untracked(|clips| self.selection.with_untracked(|selection| selection.meant(clips, id.0)))
    }

    /// Handles a click on a clip: Shift selects the range up to it, Ctrl toggles it, a plain click selects only it.
    pub fn select(self, event: &ev::MouseEvent, id: FrameId) {
        self.stop();
        let current = self.current().unwrap_or(id).0;
        if event.shift_key() {
            self.selection
                .update(|selection| self.clips.with_untracked(|clips| selection.extend(clips, current, id.0)));
        } else if event.ctrl_key() || event.meta_key() || self.multi_select.get_untracked() {
            self.selection.update(|selection| selection.toggle(current, id.0));
            if !self.selection.with_untracked(|selection| selection.contains(id.0)) {
                // The clip was deselected: the current one stays.
                return self.announce();
            }
        } else {
            self.selection.update(|selection| selection.clear(id.0));
        }
        self.store.chosen.set(Some(id));
        self.announce();
    }

    /// Updates the selection after a key changed the current frame; `extend` selects the range between both.
    pub(super) fn select_step(self, before: Option<FrameId>, extend: bool) {
        let (Some(before), Some(now)) = (before, self.current()) else { return };
        self.selection.update(|selection| match extend {
            true => self.clips.with_untracked(|clips| selection.extend(clips, before.0, now.0)),
            false => selection.clear(now.0),
        });
        self.announce();
    }

    /// Selects all clips.
    pub(super) fn select_all(self) {
        self.selection.update(|selection| self.clips.with_untracked(|clips| selection.all(clips)));
        self.announce();
    }

    /// Turns selecting several clips by clicks on or off; off clears the selection.
    pub fn toggle_multi_select(self) {
        self.multi_select.update(|is_on| *is_on = !*is_on);
        if !self.multi_select.get_untracked()
            && let Some(id) = self.current()
        {
            self.selection.update(|selection| selection.clear(id.0));
        }
    }

    /// Announces the number of selected clips to screen readers.
    fn announce(self) {
        let count = untrack(|| self.selected()).len();
        if count > 1 {
            self.store.state.update(|state| state.spoken = format!("{count} frames selected."));
        }
    }
}
