//! Which clips an act is meant for: the shown one, or those that are marked together.

use super::Strip;
use leptos::{ev, prelude::*};
use protocol::FrameId;

impl Strip {
    /// The frame that the viewer shows.
    pub fn shown(self) -> Option<FrameId> {
        self.store.current.with_untracked(|frame| frame.as_ref().map(|frame| frame.id))
    }

    /// The clips that are marked, in their order; none as long as only the shown one is meant.
    pub fn marked(self) -> Vec<i64> {
        self.clips.with(|clips| self.marks.with(|marks| marks.marked(clips)))
    }

    /// What an act on a clip is meant for.
    pub(super) fn meant(self, id: FrameId) -> Vec<i64> {
        self.clips.with_untracked(|clips| self.marks.with_untracked(|marks| marks.meant(clips, id.0)))
    }

    /// A click on a clip.
    pub fn click(self, act: &str, event: &ev::MouseEvent, id: i64) -> bool {
        if act == "select" {
            self.select(event, FrameId(id));
        }
        act == "select"
    }

    /// A clip is clicked: Shift marks all up to it, Ctrl marks it too or no more, and alone it is the only one.
    fn select(self, event: &ev::MouseEvent, id: FrameId) {
        self.stop();
        let shown = self.shown().unwrap_or(id).0;
        if event.shift_key() {
            self.marks.update(|marks| self.clips.with_untracked(|clips| marks.extend(clips, shown, id.0)));
        } else if event.ctrl_key() || event.meta_key() || self.marking.get_untracked() {
            self.marks.update(|marks| marks.toggle(shown, id.0));
            if !self.marks.with_untracked(|marks| marks.contains(id.0)) {
                // Its mark went: what is shown stays.
                return self.tell();
            }
        } else {
            self.marks.update(|marks| marks.clear(id.0));
        }
        self.store.chosen.set(Some(id));
        self.tell();
    }

    /// The shown frame became another by a key.
    pub(super) fn mark_step(self, before: Option<FrameId>, extend: bool) {
        let (Some(before), Some(now)) = (before, self.shown()) else { return };
        self.marks.update(|marks| match extend {
            true => self.clips.with_untracked(|clips| marks.extend(clips, before.0, now.0)),
            false => marks.clear(now.0),
        });
        self.tell();
    }

    /// Marks all.
    pub(super) fn mark_all(self) {
        self.marks.update(|marks| self.clips.with_untracked(|clips| marks.all(clips)));
        self.tell();
    }

    /// From now on each click marks one more; or no longer, and nothing is marked.
    pub(super) fn toggle_marking(self) {
        self.marking.update(|marking| *marking = !*marking);
        if !self.marking.get_untracked()
            && let Some(id) = self.shown()
        {
            self.marks.update(|marks| marks.clear(id.0));
        }
    }

    /// For those who listen.
    fn tell(self) {
        let count = untrack(|| self.marked()).len();
        if count > 1 {
            self.store.state.update(|state| state.spoken = format!("{count} frames marked."));
        }
    }
}
