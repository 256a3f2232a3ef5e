//! Optimistic edits: edits of the timeline that the server has not confirmed yet. They are applied at once, and again after
//! each event. Otherwise the event of an earlier edit would revert the next one for a moment, and a held key counts from
//! what is shown.

use super::StudioState;
use protocol::FrameId;
use timeline::{Clip, Edit};

impl StudioState {
    /// Applies an edit and keeps it until the server confirms it.
    pub fn edit(&mut self, edit: Edit) {
        self.show(edit);
        self.pending_edits.push(edit);
    }

    /// The oldest unconfirmed edit: the next one to send.
    pub fn oldest_edit(&self) -> Option<Edit> {
        self.pending_edits.first().copied()
    }

    /// The server has confirmed the oldest edit.
    pub fn edit_done(&mut self) {
        self.pending_edits.drain(..1.min(self.pending_edits.len()));
    }

    /// The oldest edit was rejected: drops it and those that depend on it.
    pub fn drop_edits(&mut self) {
        self.pending_edits.clear();
    }

    pub(super) fn show_edits(&mut self) {
        for place in 0..self.pending_edits.len() {
            self.show(self.pending_edits[place]);
        }
    }

    fn show(&mut self, edit: Edit) {
        match edit {
            Edit::Move { id, to, .. } => self.move_frame(FrameId(id), to),
            Edit::Stretch { id, to, .. } => {
                if let Some(frame) = self.frames.iter_mut().find(|frame| frame.id.0 == id) {
                    frame.duration = to;
                }
            }
            Edit::Delete { clip: Clip { id, .. }, .. } => self.remove(FrameId(id)),
            // The server's event brings the frame.
            Edit::Restore { .. } | Edit::DeleteTake(_) | Edit::RestoreTake(_) | Edit::SelectTake { .. } => {}
        }
    }
}
