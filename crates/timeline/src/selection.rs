//! Selection of several clips.

use crate::{Clips, Edit};
use std::collections::BTreeSet;

/// The selected clips, in addition to the clip that is shown. Empty if only the shown clip is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    marked: BTreeSet<i64>,
    /// The clip at which a range starts.
    anchor: Option<i64>,
}

impl Selection {
    /// Whether a clip is selected.
    pub fn contains(&self, id: i64) -> bool {
        self.marked.contains(&id)
    }

    /// Whether only the shown clip is selected.
    pub fn is_empty(&self) -> bool {
        self.marked.is_empty()
    }

    /// Selects only the shown clip, from which the next range starts.
    pub fn clear(&mut self, shown: i64) {
        self.marked.clear();
        self.anchor = Some(shown);
    }

    /// Selects or deselects a clip. The first call also selects the shown clip.
    pub fn toggle(&mut self, shown: i64, id: i64) {
        if self.marked.is_empty() {
            self.marked.insert(shown);
        }
        if id != shown && !self.marked.remove(&id) {
            self.marked.insert(id);
        }
        self.anchor = Some(id);
        self.settle();
    }

    /// Selects all clips from the start of the range (or the shown clip) to `to`.
    pub fn extend(&mut self, clips: &Clips, shown: i64, to: i64) {
        let anchor = self.anchor.and_then(|id| clips.place(id)).or_else(|| clips.place(shown));
        let (Some(from), Some(to)) = (anchor, clips.place(to)) else { return };
        let range = from.min(to)..=from.max(to);
        self.marked = range.filter_map(|place| clips.get(place)).map(|clip| clip.id).collect();
        self.anchor = clips.get(from).map(|clip| clip.id);
        self.settle();
    }

    /// Selects every clip.
    pub fn all(&mut self, clips: &Clips) {
        self.marked = clips.ids().collect();
        self.settle();
    }

    /// The clips that an action on the clip `id` applies to, in timeline order: all selected clips if it is one of
    /// them, otherwise only this clip.
    pub fn meant(&self, clips: &Clips, id: i64) -> Vec<i64> {
        if self.contains(id) { self.marked(clips) } else { vec![id] }
    }

    /// The selected clips in timeline order.
    pub fn marked(&self, clips: &Clips) -> Vec<i64> {
        clips.ids().filter(|id| self.contains(*id)).collect()
    }

    /// Clears a selection of one clip, which would look and behave like the shown clip only.
    fn settle(&mut self) {
        if self.marked.len() < 2 {
            self.marked.clear();
        }
    }
}

impl Clips {
    /// The edits that move these clips together into a gap between clips, keeping their order.
    pub fn gathered(&self, ids: &[i64], gap: usize) -> Vec<Edit> {
        let mut places: Vec<(usize, i64)> = ids.iter().filter_map(|id| Some((self.place(*id)?, *id))).collect();
        places.sort_unstable();
        let (before, behind): (Vec<_>, Vec<_>) = places.into_iter().partition(|(place, _)| *place < gap);
        // From the gap outwards, so that no move changes the indices of clips still to be moved.
        let before = before.into_iter().rev().zip((0..gap).rev());
        let behind = behind.into_iter().zip(gap..);
        let edit = |((from, id), to)| Edit::Move { id, from, to };
        before.chain(behind).map(edit).filter(|edit| !edit.is_idle()).collect()
    }

    /// The edits that move each of these clips by one index towards the start or the end. Clips that have reached it
    /// stay, and so do those directly behind them.
    pub fn nudged(&self, ids: &[i64], towards_end: bool) -> Vec<Edit> {
        let mut places: Vec<(usize, i64)> = ids.iter().filter_map(|id| Some((self.place(*id)?, *id))).collect();
        places.sort_unstable();
        if towards_end {
            places.reverse();
        }
        let mut edits = Vec::new();
        for (taken, (from, id)) in places.into_iter().enumerate() {
            let limit = if towards_end { self.len().saturating_sub(1 + taken) } else { taken };
            let to = match from == limit {
                true => from,
                false if towards_end => from + 1,
                false => from - 1,
            };
            edits.extend((to != from).then_some(Edit::Move { id, from, to }));
        }
        edits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clip;

    fn clips(ids: impl IntoIterator<Item = i64>) -> Clips {
        ids.into_iter().map(|id| Clip { id, duration: 1 }).collect()
    }

    fn after(ids: &[i64], edits: Vec<Edit>) -> Vec<i64> {
        let mut order: Vec<Clip> = ids.iter().map(|id| Clip { id: *id, duration: 1 }).collect();
        for edit in edits {
            if let Edit::Move { id, from, .. } = edit {
                assert_eq!(order[from].id, id, "a place that is not the clip's cannot be taken back");
            }
            edit.apply(&mut order);
        }
        order.iter().map(|clip| clip.id).collect()
    }

    #[test]
    fn marks_are_a_range_or_one_by_one_and_one_is_none() {
        let clips = clips(1..=6);
        let mut marks = Selection::default();
        marks.clear(2);
        marks.extend(&clips, 2, 4);
        assert_eq!(marks.meant(&clips, 3), [2, 3, 4]);
        assert_eq!(marks.meant(&clips, 6), [6], "not one of them");
        marks.extend(&clips, 4, 1);
        assert_eq!(marks.meant(&clips, 1), [1, 2], "from the same anchor to the other side");
        marks.toggle(1, 5);
        assert_eq!(marks.meant(&clips, 5), [1, 2, 5]);
        marks.toggle(5, 2);
        marks.toggle(5, 1);
        assert_eq!(marks, Selection { anchor: Some(1), ..Selection::default() }, "only the shown one is left");
        marks.all(&clips);
        assert_eq!(marks.meant(&clips, 6), [1, 2, 3, 4, 5, 6]);
        marks.clear(3);
        assert_eq!(marks.meant(&clips, 3), [3]);
    }

    #[test]
    fn a_mark_of_a_clip_that_is_gone_means_nothing() {
        let mut marks = Selection::default();
        marks.all(&clips(1..=3));
        assert_eq!(marks.meant(&clips([1, 3]), 1), [1, 3]);
        marks.clear(2);
        marks.extend(&clips([1, 3, 4]), 3, 4);
        assert_eq!(marks.meant(&clips([1, 3, 4]), 4), [3, 4], "the anchor is gone: from the shown one");
    }

    #[test]
    fn several_gather_in_any_gap_in_their_order() {
        let ids = [1, 2, 3, 4, 5, 6];
        for marks in 0_u32..64 {
            let chosen: Vec<i64> = ids.into_iter().filter(|id| marks & (1 << (id - 1)) != 0).collect();
            for gap in 0..=6 {
                let (mut wanted, mut rest) = (Vec::new(), Vec::new());
                for (place, id) in ids.into_iter().enumerate() {
                    if place == gap {
                        wanted = std::mem::take(&mut rest);
                        wanted.extend(&chosen);
                    }
                    if !chosen.contains(&id) {
                        rest.push(id);
                    }
                }
                if gap == 6 {
                    wanted = std::mem::take(&mut rest);
                    wanted.extend(&chosen);
                }
                wanted.extend(rest);
                assert_eq!(after(&ids, clips(ids).gathered(&chosen, gap)), wanted, "{chosen:?} into {gap}");
            }
        }
    }

    #[test]
    fn several_move_by_one_place_and_pile_up_at_the_ends() {
        let ids = [1, 2, 3, 4, 5];
        let moved = |chosen: &[i64], towards_end| after(&ids, clips(ids).nudged(chosen, towards_end));
        assert_eq!(moved(&[2, 4], false), [2, 1, 4, 3, 5]);
        assert_eq!(moved(&[2, 4], true), [1, 3, 2, 5, 4]);
        assert_eq!(moved(&[1, 2, 4], false), [1, 2, 4, 3, 5]);
        assert_eq!(moved(&[2, 5], true), [1, 3, 2, 4, 5]);
        assert_eq!(moved(&ids, true), ids);
    }
}
