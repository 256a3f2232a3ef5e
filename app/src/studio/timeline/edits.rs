//! Edits of the timeline: applied at once, sent to the server in order, recorded for Undo.

use super::Timeline;
use crate::{
    error::AppError,
    serverfns::{
        frames::{delete_frame, duplicate_frame, restore_frame, update_frame},
        takes::{delete_take, restore_take},
    },
    studio::{state::StudioState, store::Done},
};
use leptos::{prelude::*, task::spawn_local};
use protocol::{FrameId, TakeId, frame::limits::DURATION};
use timeline::{Clip, Clips, Edit, Selection, TakeOfClip};

/// Longest duration of a frame.
const MAX_DURATION: u32 = *DURATION.end();

impl Timeline {
    /// Moves a frame, with the selection that it is part of, into a gap between clips.
    pub fn move_into(self, id: FrameId, gap: usize) {
        let ids = self.targets(id);
        self.edit(self.clips.with_untracked(|clips| clips.gathered(&ids, gap)));
    }

    /// Moves a frame, with the selection that it is part of, by one place.
    pub fn nudge(self, id: FrameId, towards_end: bool) {
        let ids = self.targets(id);
        self.edit(self.clips.with_untracked(|clips| clips.nudged(&ids, towards_end)));
    }

    /// Changes the duration of a frame.
    pub fn stretch(self, id: FrameId, from: u32, to: u32) {
        self.edit(vec![Edit::Stretch { id: id.0, from, to }]);
    }

    /// Changes the durations of a frame and of the selection that it is part of.
    pub fn stretch_by(self, id: FrameId, by: i32) {
        let stretched = self.target_clips(id).into_iter().map(|(_, clip)| {
            let to = clip.duration.saturating_add_signed(by).clamp(1, MAX_DURATION);
            Edit::Stretch { id: clip.id, from: clip.duration, to }
        });
        self.edit(stretched.collect());
    }

    /// Deletes a frame and the selection that it is part of. Frames without a picture cannot be restored, so they are not
    /// recorded for Undo.
    pub fn delete(self, id: FrameId) {
        let targets = self.target_clips(id);
        self.choose_neighbour(&targets);
        // From the last to the first: no deletion changes the index of one that follows, nor does a restoration in reverse.
        let deleted = targets.into_iter().rev().map(|(at, clip)| Edit::Delete { clip, at });
        let (restorable, lost): (Vec<_>, Vec<_>) = deleted.partition(|edit| {
            let Edit::Delete { clip, .. } = edit else { return false };
            let frame =
                |state: &StudioState| state.frame(FrameId(clip.id)).is_some_and(|f| f.selected_take_id.is_some());
            self.store.state.with_untracked(frame)
        });
        self.carry_out(lost);
        self.edit(restorable);
    }

    /// Duplicates a frame and the selection that it is part of; each copy follows its original. Undo deletes the copies.
    pub fn duplicate(self, id: FrameId) {
        let targets = self.target_clips(id);
        let store = self.store;
        spawn_local(async move {
            let mut made = Vec::new();
            for (copies, (at, clip)) in targets.into_iter().enumerate() {
                match duplicate_frame(FrameId(clip.id)).await {
                    Ok(copy) => {
                        let clip = Clip { id: copy.0, duration: clip.duration };
                        made.push(Edit::Restore { clip, at: at + copies + 1 });
                        store.chosen.try_set(Some(copy));
                    }
                    Err(error) => {
                        store.refuse(error);
                        break;
                    }
                }
            }
            self.record(made);
        });
    }

    /// Records a step for Undo that was carried out elsewhere.
    pub(super) fn record(self, step: Vec<Edit>) {
        self.history.try_update(|history| history.push(step));
    }

    /// The clips that an action on this one applies to, each with its index.
    fn target_clips(self, id: FrameId) -> Vec<(usize, Clip)> {
        let ids = self.targets(id);
        let placed = |clips: &Clips, id: i64| clips.place(id).and_then(|place| Some((place, clips.get(place)?)));
        self.clips.with_untracked(|clips| ids.into_iter().filter_map(|id| placed(clips, id)).collect())
    }

    /// If the current frame is deleted, selects the next one; at the end the previous one.
    fn choose_neighbour(self, leaving: &[(usize, Clip)]) {
        let leaves = |id: i64| leaving.iter().any(|(_, clip)| clip.id == id);
        let Some(shown) = self.current().filter(|id| leaves(id.0)) else { return };
        let neighbour = self.clips.with_untracked(|clips| {
            let at = clips.place(shown.0)?;
            let mut nearest = (at..clips.len()).chain((0..at).rev()).filter_map(|place| clips.get(place));
            nearest.find(|clip| !leaves(clip.id))
        });
        self.store.chosen.set(neighbour.map(|clip| FrameId(clip.id)));
        self.selection.set(Selection::default());
    }

    /// Undoes the newest step.
    pub fn undo(self) {
        self.store.done.set(None);
        let step = self.history.try_update(timeline::History::undo).unwrap_or_default();
        self.carry_out(step);
    }

    /// Redoes the step that was undone last.
    pub fn redo(self) {
        self.store.done.set(None);
        let step = self.history.try_update(timeline::History::redo).unwrap_or_default();
        self.carry_out(step);
    }

    /// Carries out a step and records it for Undo. Offers to undo it at once if it deletes something.
    pub fn edit(self, step: Vec<Edit>) {
        if step.iter().all(|edit| edit.is_idle()) {
            return;
        }
        self.store.offer_undo(deleted_by(&step));
        self.history.update(|history| history.push(step.clone()));
        self.carry_out(step);
    }

    /// Applies a step at once and sends it to the server. Edits are sent one after the other, across steps, because a later one
    /// may depend on an earlier one.
    fn carry_out(self, step: Vec<Edit>) {
        if step.is_empty() {
            return;
        }
        let state = self.store.state;
        let is_sending = state.with_untracked(|state| state.oldest_edit().is_some());
        state.update(|state| step.into_iter().for_each(|edit| state.edit(edit)));
        if !is_sending {
            spawn_local(self.send_edits());
        }
    }

    async fn send_edits(self) {
        let Self { store, .. } = self;
        while let Some(edit) = store.state.try_with_untracked(StudioState::oldest_edit).flatten() {
            if let Err(error) = send(edit).await {
                store.refuse(error);
                store.state.try_update(StudioState::drop_edits);
                // The page shows edits that were rejected.
                return store.reload();
            }
            store.state.try_update_untracked(StudioState::edit_done);
        }
    }
}

/// Sends an edit to the server.
async fn send(edit: Edit) -> Result<(), AppError> {
    match edit {
        Edit::Move { id, to, .. } => {
            let to = u32::try_from(to).unwrap_or(u32::MAX);
            update_frame(FrameId(id), Some(to), None, None, None).await
        }
        Edit::Stretch { id, to, .. } => update_frame(FrameId(id), None, Some(to), None, None).await,
        Edit::Delete { clip, .. } => delete_frame(FrameId(clip.id)).await,
        Edit::Restore { clip, .. } => restore_frame(FrameId(clip.id)).await,
        Edit::DeleteTake(TakeOfClip { take, .. }) => delete_take(TakeId(take)).await,
        Edit::RestoreTake(TakeOfClip { clip, take, is_selected }) => {
            restore_take(TakeId(take)).await?;
            match is_selected {
                true => update_frame(FrameId(clip), None, None, Some(TakeId(take)), None).await,
                false => Ok(()),
            }
        }
        Edit::SelectTake { id, to, .. } => update_frame(FrameId(id), None, None, Some(TakeId(to)), None).await,
    }
}

/// What a step deletes.
fn deleted_by(step: &[Edit]) -> Option<Done> {
    let frames = step.iter().filter(|edit| matches!(edit, Edit::Delete { .. })).count();
    let is_take = step.iter().any(|edit| matches!(edit, Edit::DeleteTake(_)));
    match frames {
        0 => is_take.then_some(Done::TakeDeleted),
        frames => Some(Done::FramesDeleted(frames)),
    }
}
