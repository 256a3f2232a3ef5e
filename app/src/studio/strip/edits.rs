//! Edits: carried out here at once, told to the server, and noted for Undo.

use super::Strip;
use crate::{
    serverfns::frames::{delete_frame, duplicate_frame, restore_frame, update_frame},
    studio::state::StudioState,
};
use leptos::{prelude::*, task::spawn_local};
use protocol::{FrameId, frame::limits::DURATION};
use timeline::{Clip, Clips, Edit, Selection};

/// The longest that a frame can stand.
const LONGEST: u32 = *DURATION.end();

impl Strip {
    /// Puts a frame, and what is marked with it, into a gap between clips.
    pub fn move_into(self, id: FrameId, gap: usize) {
        let ids = self.meant(id);
        self.edit(self.clips.with_untracked(|clips| clips.gathered(&ids, gap)));
    }

    /// Moves a frame, and what is marked with it, by one place.
    pub fn nudge(self, id: FrameId, towards_end: bool) {
        let ids = self.meant(id);
        self.edit(self.clips.with_untracked(|clips| clips.nudged(&ids, towards_end)));
    }

    /// Gives a frame another duration.
    pub fn stretch(self, id: FrameId, from: u32, to: u32) {
        self.edit(vec![Edit::Stretch { id: id.0, from, to }]);
    }

    /// Makes a frame, and what is marked with it, longer or shorter.
    pub fn stretch_by(self, id: FrameId, by: i32) {
        let stretched = self.clips_meant(id).into_iter().map(|(_, clip)| {
            let to = clip.duration.saturating_add_signed(by).clamp(1, LONGEST);
            Edit::Stretch { id: clip.id, from: clip.duration, to }
        });
        self.edit(stretched.collect());
    }

    /// Takes a frame away, and what is marked with it. One without a picture cannot come back, so it is not noted.
    pub fn delete(self, id: FrameId) {
        let meant = self.clips_meant(id);
        self.choose_neighbour(&meant);
        // From the end on: each place is still the clip's when its turn comes, and when it comes back.
        let deleted = meant.into_iter().rev().map(|(at, clip)| Edit::Delete { clip, at });
        let (noted, lost): (Vec<_>, Vec<_>) = deleted.partition(|edit| {
            let Edit::Delete { clip, .. } = edit else { return false };
            let frame =
                |state: &StudioState| state.frame(FrameId(clip.id)).is_some_and(|f| f.selected_take_id.is_some());
            self.store.state.with_untracked(frame)
        });
        self.carry_out(lost);
        self.edit(noted);
    }

    /// Makes a copy of a frame right behind it, and of each that is marked with it. Undo takes the copies away.
    pub fn duplicate(self, id: FrameId) {
        let meant = self.clips_meant(id);
        let store = self.store;
        spawn_local(async move {
            let mut made = Vec::new();
            for (copies, (at, clip)) in meant.into_iter().enumerate() {
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
            self.note(made);
        });
    }

    /// Notes for Undo what was carried out by other means.
    pub(super) fn note(self, step: Vec<Edit>) {
        self.history.try_update(|history| history.push(step));
    }

    /// The clips that an act on this one is meant for, each with its place.
    fn clips_meant(self, id: FrameId) -> Vec<(usize, Clip)> {
        let ids = self.meant(id);
        let placed = |clips: &Clips, id: i64| clips.place(id).and_then(|place| Some((place, clips.get(place)?)));
        self.clips.with_untracked(|clips| ids.into_iter().filter_map(|id| placed(clips, id)).collect())
    }

    /// Where the shown frame goes, the one behind it is shown; at the end the one before.
    fn choose_neighbour(self, leaving: &[(usize, Clip)]) {
        let leaves = |id: i64| leaving.iter().any(|(_, clip)| clip.id == id);
        let Some(shown) = self.shown().filter(|id| leaves(id.0)) else { return };
        let neighbour = self.clips.with_untracked(|clips| {
            let at = clips.place(shown.0)?;
            let mut nearest = (at..clips.len()).chain((0..at).rev()).filter_map(|place| clips.get(place));
            nearest.find(|clip| !leaves(clip.id))
        });
        self.store.chosen.set(neighbour.map(|clip| FrameId(clip.id)));
        self.marks.set(Selection::default());
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

    /// Shown at once. The server is told of one after the other, also of those of a step before: the second may build
    /// upon the first.
    fn carry_out(self, step: Vec<Edit>) {
        if step.is_empty() {
            return;
        }
        let state = self.store.state;
        let is_telling = state.with_untracked(|state| state.oldest_edit().is_some());
        state.update(|state| step.into_iter().for_each(|edit| state.edit(edit)));
        if !is_telling {
            spawn_local(self.tell_server());
        }
    }

    async fn tell_server(self) {
        let Self { store, .. } = self;
        while let Some(edit) = store.state.try_with_untracked(StudioState::oldest_edit).flatten() {
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
                store.state.try_update(StudioState::give_edits_up);
                // What is shown may be what was not done.
                return store.reload();
            }
            store.state.try_update_untracked(StudioState::edited);
        }
    }
}
