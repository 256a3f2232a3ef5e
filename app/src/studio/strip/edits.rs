//! Edits: carried out here at once, told to the server, and noted for Undo.

use super::Strip;
use crate::serverfns::frames::{delete_frame, duplicate_frame, restore_frame, update_frame};
use leptos::{prelude::*, task::spawn_local};
use protocol::FrameId;
use timeline::{Clip, Edit};

impl Strip {
    /// Puts a frame at a place.
    pub fn move_to(self, id: FrameId, to: usize) {
        if let Some(from) = self.clips.with_untracked(|clips| clips.place(id.0)) {
            self.edit(vec![Edit::Move { id: id.0, from, to }]);
        }
    }

    /// Moves a frame by so many places.
    pub fn move_by(self, id: FrameId, by: isize) {
        let place = self.clips.with_untracked(|clips| {
            clips.place(id.0).map(|place| place.saturating_add_signed(by).min(clips.len().saturating_sub(1)))
        });
        if let Some(to) = place {
            self.move_to(id, to);
        }
    }

    /// Gives a frame another duration.
    pub fn stretch(self, id: FrameId, from: u32, to: u32) {
        self.edit(vec![Edit::Stretch { id: id.0, from, to }]);
    }

    /// Takes a frame away. One without a picture cannot come back, so nothing is noted.
    pub fn delete(self, id: FrameId) {
        let can_come_back = self
            .store
            .state
            .with_untracked(|state| state.frame(id).is_some_and(|frame| frame.selected_take_id.is_some()));
        let clip = self.clips.with_untracked(|clips| {
            let at = clips.place(id.0)?;
            Some((clips.get(at)?, at))
        });
        let Some((clip, at)) = clip else { return };
        self.choose_neighbour(id, at);
        let edit = Edit::Delete { clip, at };
        if can_come_back { self.edit(vec![edit]) } else { self.carry_out(vec![edit]) }
    }

    /// Makes a copy of a frame right behind it. Undo takes the copy away.
    pub fn duplicate(self, id: FrameId) {
        let found = self.clips.with_untracked(|clips| {
            let at = clips.place(id.0)?;
            Some((clips.get(at)?.duration, at + 1))
        });
        let Some((duration, at)) = found else { return };
        let store = self.store;
        spawn_local(async move {
            match duplicate_frame(id).await {
                Ok(copy) => {
                    let clip = Clip { id: copy.0, duration };
                    self.history.try_update(|history| history.push(vec![Edit::Restore { clip, at }]));
                    store.chosen.try_set(Some(copy));
                }
                Err(error) => store.refuse(error),
            }
        });
    }

    fn choose_neighbour(self, id: FrameId, at: usize) {
        if self.store.current.with_untracked(|frame| frame.as_ref().is_none_or(|frame| frame.id != id)) {
            return;
        }
        let neighbour = self.clips.with_untracked(|clips| clips.get(at + 1).or_else(|| clips.get(at.checked_sub(1)?)));
        self.store.chosen.set(neighbour.map(|clip| FrameId(clip.id)));
    }

    /// Takes the newest step back.
    pub fn undo(self) {
        let step = self.history.try_update(timeline::History::undo).unwrap_or_default();
        self.carry_out(step);
    }

    /// Does the step again that was taken back last.
    pub fn redo(self) {
        let step = self.history.try_update(timeline::History::redo).unwrap_or_default();
        self.carry_out(step);
    }

    fn edit(self, step: Vec<Edit>) {
        if step.iter().all(|edit| edit.is_idle()) {
            return;
        }
        self.history.update(|history| history.push(step.clone()));
        self.carry_out(step);
    }

    /// One after the other: the second may build upon the first.
    fn carry_out(self, step: Vec<Edit>) {
        for edit in &step {
            self.show(*edit);
        }
        let store = self.store;
        spawn_local(async move {
            for edit in step {
                let done = match edit {
                    Edit::Move { id, to, .. } => {
                        let to = u32::try_from(to).unwrap_or(u32::MAX);
                        update_frame(FrameId(id), Some(to), None, None, None).await
                    }
                    Edit::Stretch { id, to, .. } => update_frame(FrameId(id), None, Some(to), None, None).await,
                    Edit::Delete { clip, .. } => delete_frame(FrameId(clip.id)).await,
                    Edit::Restore { clip, .. } => restore_frame(FrameId(clip.id)).await,
                };
                if let Err(error) = done {
                    store.refuse(error);
                    // What is shown may be what was not done.
                    return store.reload();
                }
            }
        });
    }

    /// Shows at once what the server will say in a moment.
    fn show(self, edit: Edit) {
        self.store.state.update(|state| match edit {
            Edit::Move { id, to, .. } => state.move_frame(FrameId(id), to),
            Edit::Stretch { id, to, .. } => {
                if let Some(frame) = state.frames.iter_mut().find(|frame| frame.id.0 == id) {
                    frame.duration = to;
                }
            }
            Edit::Delete { clip: Clip { id, .. }, .. } => state.frames.retain(|frame| frame.id.0 != id),
            // Its picture is the server's to tell.
            Edit::Restore { .. } => {}
        });
    }
}
