//! Edits as commands with inverses, and their undo history.

use crate::Clip;

/// A change to the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Moves a clip.
    Move {
        /// Id of the clip.
        id: i64,
        /// Index before the move.
        from: usize,
        /// Index after the move.
        to: usize,
    },
    /// Changes a clip's duration.
    Stretch {
        /// Id of the clip.
        id: i64,
        /// Duration before.
        from: u32,
        /// Duration after.
        to: u32,
    },
    /// Deletes a clip.
    Delete {
        /// The clip.
        clip: Clip,
        /// Its index.
        at: usize,
    },
    /// Restores a deleted clip.
    Restore {
        /// The clip.
        clip: Clip,
        /// Its index.
        at: usize,
    },
    /// Deletes a take of a clip.
    DeleteTake(TakeOfClip),
    /// Restores a deleted take of a clip.
    RestoreTake(TakeOfClip),
    /// Selects a take of a clip.
    SelectTake {
        /// Id of the clip.
        id: i64,
        /// Id of the take that was selected before.
        from: i64,
        /// Id of the take that is selected.
        to: i64,
    },
}

/// A take that is deleted or restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakeOfClip {
    /// Id of the clip.
    pub clip: i64,
    /// Id of the take.
    pub take: i64,
    /// Whether it is the selected one when it is not deleted.
    pub is_selected: bool,
}

impl Edit {
    /// The edit that undoes this one.
    pub fn inverse(self) -> Self {
        match self {
            Self::Move { id, from, to } => Self::Move { id, from: to, to: from },
            Self::Stretch { id, from, to } => Self::Stretch { id, from: to, to: from },
            Self::Delete { clip, at } => Self::Restore { clip, at },
            Self::Restore { clip, at } => Self::Delete { clip, at },
            Self::DeleteTake(take) => Self::RestoreTake(take),
            Self::RestoreTake(take) => Self::DeleteTake(take),
            Self::SelectTake { id, from, to } => Self::SelectTake { id, from: to, to: from },
        }
    }

    /// Whether it changes nothing.
    pub fn is_idle(self) -> bool {
        match self {
            Self::Move { from, to, .. } => from == to,
            Self::Stretch { from, to, .. } => from == to,
            Self::SelectTake { from, to, .. } => from == to,
            Self::Delete { .. } | Self::Restore { .. } | Self::DeleteTake(_) | Self::RestoreTake(_) => false,
        }
    }

    /// Applies the edit. An edit of a clip that no longer exists (deleted in another page) does nothing. Takes are no part of
    /// clips.
    pub fn apply(self, clips: &mut Vec<Clip>) {
        let place = |clips: &[Clip], id| clips.iter().position(|clip| clip.id == id);
        match self {
            Self::Move { id, to, .. } => {
                if let Some(from) = place(clips, id) {
                    let clip = clips.remove(from);
                    clips.insert(to.min(clips.len()), clip);
                }
            }
            Self::Stretch { id, to, .. } => {
                if let Some(at) = place(clips, id) {
                    clips[at].duration = to.max(1);
                }
            }
            Self::Delete { clip, .. } => clips.retain(|known| known.id != clip.id),
            Self::Restore { clip, at } => {
                if place(clips, clip.id).is_none() {
                    clips.insert(at.min(clips.len()), clip);
                }
            }
            Self::DeleteTake(_) | Self::RestoreTake(_) | Self::SelectTake { .. } => {}
        }
    }
}

/// Undo history: done and undone steps of one or more edits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    done: Vec<Vec<Edit>>,
    undone: Vec<Vec<Edit>>,
}

impl History {
    /// Maximum number of steps in the history.
    pub const MOST: usize = 200;

    /// Adds a step that was carried out, and clears the steps that could be redone.
    pub fn push(&mut self, step: Vec<Edit>) {
        let step: Vec<Edit> = step.into_iter().filter(|edit| !edit.is_idle()).collect();
        if step.is_empty() {
            return;
        }
        self.undone.clear();
        self.done.push(step);
        let surplus = self.done.len().saturating_sub(Self::MOST);
        self.done.drain(..surplus);
    }

    /// The edits that undo the newest step, in the order in which to apply them.
    pub fn undo(&mut self) -> Vec<Edit> {
        let Some(step) = self.done.pop() else { return Vec::new() };
        let back = step.iter().rev().map(|edit| edit.inverse()).collect();
        self.undone.push(step);
        back
    }

    /// The edits that redo the step undone last.
    pub fn redo(&mut self) -> Vec<Edit> {
        let Some(step) = self.undone.pop() else { return Vec::new() };
        self.done.push(step.clone());
        step
    }

    /// Whether there is a step to undo.
    pub fn can_undo(&self) -> bool {
        !self.done.is_empty()
    }

    /// Whether there is a step to redo.
    pub fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clips() -> Vec<Clip> {
        (1..=4).map(|id| Clip { id, duration: id as u32 }).collect()
    }

    fn every_edit() -> Vec<Edit> {
        let clip = Clip { id: 3, duration: 3 };
        vec![
            Edit::Move { id: 1, from: 0, to: 3 },
            Edit::Move { id: 4, from: 3, to: 0 },
            Edit::Move { id: 2, from: 1, to: 2 },
            Edit::Stretch { id: 2, from: 2, to: 9 },
            Edit::Delete { clip, at: 2 },
        ]
    }

    #[test]
    fn an_edit_and_its_inverse_leave_everything_as_it_was() {
        for edit in every_edit() {
            let mut now = clips();
            edit.apply(&mut now);
            assert_ne!(now, clips(), "{edit:?}");
            edit.inverse().apply(&mut now);
            assert_eq!(now, clips(), "{edit:?}");
            assert_eq!(edit.inverse().inverse(), edit);
        }
    }

    #[test]
    fn edits_of_takes_have_inverses_and_change_no_clip() {
        let take = TakeOfClip { clip: 2, take: 20, is_selected: true };
        let select = Edit::SelectTake { id: 2, from: 20, to: 21 };
        assert_eq!(Edit::DeleteTake(take).inverse(), Edit::RestoreTake(take));
        assert_eq!(select.inverse(), Edit::SelectTake { id: 2, from: 21, to: 20 });
        assert!(Edit::SelectTake { id: 2, from: 20, to: 20 }.is_idle() && !select.is_idle());
        for edit in [Edit::DeleteTake(take), Edit::RestoreTake(take), select] {
            let mut now = clips();
            edit.apply(&mut now);
            assert_eq!((now, edit.inverse().inverse()), (clips(), edit));
        }
    }

    #[test]
    fn any_sequence_is_taken_back_and_done_again_step_by_step() {
        let mut history = History::default();
        let mut now = clips();
        let mut states = vec![now.clone()];
        // A fixed sequence of pseudo-random edits (a linear congruential generator, Numerical Recipes' constants).
        let mut random = 7_u32;
        let mut below = |n: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 16) as usize % n
        };
        for _ in 0..60 {
            let at = below(now.len());
            let (clip, to) = (now[at], below(now.len()));
            let edit = match below(8) {
                0 if now.len() > 2 => Edit::Delete { clip, at },
                1..4 => Edit::Stretch { id: clip.id, from: clip.duration, to: 1 + below(9) as u32 },
                _ => Edit::Move { id: clip.id, from: at, to },
            };
            edit.apply(&mut now);
            history.push(vec![edit]);
            if !edit.is_idle() {
                states.push(now.clone());
            }
        }
        for state in states.iter().rev().skip(1) {
            history.undo().into_iter().for_each(|edit| edit.apply(&mut now));
            assert_eq!(&now, state);
        }
        assert!(!history.can_undo());
        for state in states.iter().skip(1) {
            history.redo().into_iter().for_each(|edit| edit.apply(&mut now));
            assert_eq!(&now, state);
        }
        assert!(!history.can_redo());
    }

    #[test]
    fn a_step_of_several_edits_is_taken_back_as_one_and_backwards() {
        let mut now = clips();
        let step: Vec<Edit> = [0, 1].map(|at| Edit::Delete { clip: now[at], at: 0 }).to_vec();
        step.iter().for_each(|edit| edit.apply(&mut now));
        let mut history = History::default();
        history.push(step);
        history.undo().into_iter().for_each(|edit| edit.apply(&mut now));
        assert_eq!(now, clips());
    }

    #[test]
    fn a_new_step_ends_what_could_be_done_again_and_an_idle_one_is_none() {
        let mut history = History::default();
        history.push(vec![Edit::Move { id: 1, from: 0, to: 1 }]);
        history.undo();
        history.push(vec![Edit::Move { id: 1, from: 2, to: 2 }]);
        assert!(history.can_redo() && !history.can_undo(), "an idle edit is no step");
        history.push(vec![Edit::Stretch { id: 1, from: 1, to: 2 }]);
        assert!(!history.can_redo() && history.can_undo());
    }

    #[test]
    fn an_edit_of_a_clip_that_is_gone_changes_nothing() {
        let mut now = clips();
        Edit::Move { id: 9, from: 0, to: 1 }.apply(&mut now);
        Edit::Stretch { id: 9, from: 1, to: 2 }.apply(&mut now);
        Edit::Restore { clip: now[0], at: 2 }.apply(&mut now);
        assert_eq!(now, clips());
    }

    #[test]
    fn history_is_bounded() {
        let mut history = History::default();
        (0..1000).for_each(|i| history.push(vec![Edit::Stretch { id: 1, from: i, to: i + 1 }]));
        assert_eq!((0..).take_while(|_| !history.undo().is_empty()).count(), History::MOST);
    }
}
