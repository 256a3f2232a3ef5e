//! The clips of a timeline.

use crate::Axis;
use std::ops::Range;

/// A clip: its id and its duration in frames of the project's rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clip {
    /// Id of the frame that the clip represents.
    pub id: i64,
    /// Duration; at least 1.
    pub duration: u32,
}

/// The clips in order, with the time at which each starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clips {
    clips: Vec<Clip>,
    /// One more entry than clips: the last is the total duration.
    starts: Vec<u64>,
}

impl FromIterator<Clip> for Clips {
    fn from_iter<T: IntoIterator<Item = Clip>>(clips: T) -> Self {
        let clips: Vec<Clip> = clips.into_iter().collect();
        let mut starts = Vec::with_capacity(clips.len() + 1);
        let mut at = 0;
        starts.push(at);
        for clip in &clips {
            at += u64::from(clip.duration.max(1));
            starts.push(at);
        }
        Self { clips, starts }
    }
}

impl Clips {
    /// Number of clips.
    pub fn len(&self) -> usize {
        self.clips.len()
    }

    /// Whether there are no clips.
    pub fn is_empty(&self) -> bool {
        self.clips.is_empty()
    }

    /// The clip at an index.
    pub fn get(&self, place: usize) -> Option<Clip> {
        self.clips.get(place).copied()
    }

    /// The clips' ids in order.
    pub fn ids(&self) -> impl Iterator<Item = i64> {
        self.clips.iter().map(|clip| clip.id)
    }

    /// The index of a clip.
    pub fn place(&self, id: i64) -> Option<usize> {
        self.clips.iter().position(|clip| clip.id == id)
    }

    /// Start time of the clip at an index; for an index past the last, the total duration.
    pub fn start(&self, place: usize) -> u64 {
        self.starts[place.min(self.clips.len())]
    }

    /// Total duration in frames.
    pub fn duration(&self) -> u64 {
        self.start(self.clips.len())
    }

    /// Index of the clip at a time: the first for earlier times, the last for later ones.
    pub fn place_at(&self, time: f64) -> Option<usize> {
        let last = self.clips.len().checked_sub(1)?;
        let begun = self.starts.partition_point(|start| *start as f64 <= time);
        Some(begun.saturating_sub(1).min(last))
    }

    /// Indices of the clips visible in a viewport of `width_px` from `scroll_px` on, plus `spare` on each side.
    pub fn visible(&self, axis: Axis, scroll_px: f64, width_px: f64, spare: usize) -> Range<usize> {
        let place = |x_px: f64| self.place_at(axis.time_from_x(x_px.max(0.0)));
        match (place(scroll_px), place(scroll_px.max(0.0) + width_px.max(0.0))) {
            (Some(first), Some(last)) => first.saturating_sub(spare)..(last + 1 + spare).min(self.clips.len()),
            _ => 0..0,
        }
    }

    /// Index at which something dropped at a time is inserted: before the clip if the drop is in its first half,
    /// otherwise after it.
    pub fn gap_at(&self, time: f64) -> usize {
        let Some(place) = self.place_at(time) else { return 0 };
        let middle = (self.start(place) + self.start(place + 1)) as f64 / 2.0;
        if time < middle { place } else { place + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clips(durations: &[u32]) -> Clips {
        (1..).zip(durations).map(|(id, duration)| Clip { id, duration: *duration }).collect()
    }

    #[test]
    fn each_begins_where_the_one_before_ends() {
        let clips = clips(&[1, 3, 2]);
        assert_eq!([0, 1, 2, 3, 9].map(|place| clips.start(place)), [0, 1, 4, 6, 6]);
        assert_eq!((clips.duration(), clips.place(2), clips.place(9)), (6, Some(1), None));
        assert_eq!(Clips::default().len(), 0);
    }

    #[test]
    fn the_clip_at_a_time_is_the_one_that_has_begun_and_not_ended() {
        let clips = clips(&[1, 3, 2]);
        let places = [-5.0, 0.0, 0.99, 1.0, 3.9, 4.0, 5.9, 6.0, 1e9].map(|time| clips.place_at(time));
        assert_eq!(places.map(|place| place.expect("three clips")), [0, 0, 0, 1, 1, 2, 2, 2, 2]);
        for place in 0..clips.len() {
            assert_eq!(clips.place_at(clips.start(place) as f64), Some(place));
        }
        assert_eq!(self::clips(&[]).place_at(0.0), None);
    }

    #[test]
    fn only_what_is_visible_is_in_the_page() {
        let many: Clips = (0..500).map(|id| Clip { id, duration: 1 }).collect();
        let axis = Axis::new(100.0);
        assert_eq!(many.visible(axis, 0.0, 1000.0, 0), 0..11);
        assert_eq!(many.visible(axis, 20_050.0, 1000.0, 2), 198..213);
        assert_eq!(many.visible(axis, 1e9, 1000.0, 2), 497..500);
        assert_eq!(many.visible(axis, -50.0, 100.0, 0), 0..2);
        assert_eq!(clips(&[]).visible(axis, 0.0, 1000.0, 2), 0..0);
        assert_eq!(clips(&[1000]).visible(axis, 5000.0, 100.0, 0), 0..1);
    }

    #[test]
    fn a_drop_goes_to_the_nearer_side() {
        let clips = clips(&[2, 2, 2]);
        let gaps = [-1.0, 0.9, 1.0, 2.9, 3.1, 5.0, 99.0].map(|time| clips.gap_at(time));
        assert_eq!(gaps, [0, 0, 1, 1, 2, 3, 3]);
    }
}
