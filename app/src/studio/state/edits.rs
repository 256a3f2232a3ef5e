//! Edits of the timeline that the server has not answered for yet: shown at once, and again over whatever is told
//! meanwhile. An event of the edit before would else take the next one back for a moment, and a key that is held counts
//! from what is shown.

use super::StudioState;
use protocol::FrameId;
use timeline::{Clip, Edit};

impl StudioState {
    /// Shows an edit, and keeps it until the server has answered for it.
    pub fn edit(&mut self, edit: Edit) {
        self.show(edit);
        self.unanswered.push(edit);
    }

    /// The oldest edit that the server has not answered for: the one to tell it next.
    pub fn oldest_edit(&self) -> Option<Edit> {
        self.unanswered.first().copied()
    }

    /// The server has carried the oldest out.
    pub fn edited(&mut self) {
        self.unanswered.drain(..1.min(self.unanswered.len()));
    }

    /// The oldest was refused: what builds upon it is not asked for.
    pub fn give_edits_up(&mut self) {
        self.unanswered.clear();
    }

    pub(super) fn show_edits(&mut self) {
        for place in 0..self.unanswered.len() {
            self.show(self.unanswered[place]);
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
            // Its picture is the server's to tell.
            Edit::Restore { .. } => {}
        }
    }
}
