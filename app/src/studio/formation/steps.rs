//! The steps of a take that can be looked at. Pure.

use protocol::TakeTrace;

/// A step with its picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Counted from 1.
    pub step: u32,
    /// URL path of its picture.
    pub path: String,
    /// Whether a take can branch from it.
    pub can_branch: bool,
}

/// The steps with pictures, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    kept: Vec<Kept>,
    /// Number of steps of the run.
    pub total: u32,
    /// Whether they stay when the space for traces is used up.
    pub pinned: bool,
}

/// Steps on either side of the shown one whose pictures are decoded ahead: half a second at a step for each animation frame.
const AHEAD: usize = 30;

/// Most pictures that are decoded for a clip.
const MOST_PATHS: usize = 100;

/// Time of a whole run when it is played, milliseconds, and the limits of a step's time.
const PLAY_MS: u32 = 2400;
const STEP_MS: [u32; 2] = [33, 250];

impl From<TakeTrace> for Steps {
    fn from(trace: TakeTrace) -> Self {
        let kept = trace.steps.into_iter();
        let kept = kept.filter_map(|s| Some(Kept { step: s.step, path: s.path?, can_branch: s.can_branch }));
        Self { kept: kept.collect(), total: trace.total_steps, pinned: trace.trace_pinned }
    }
}

impl Steps {
    /// Number of steps with pictures.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// First and last step; none without pictures.
    pub fn ends(&self) -> Option<(u32, u32)> {
        Some((self.kept.first()?.step, self.kept.last()?.step))
    }

    /// The last kept step up to this one; the first one if all are later.
    pub fn at(&self, step: u32) -> Option<&Kept> {
        self.kept.get(self.place(step))
    }

    /// Whether a take can branch from exactly this step.
    pub fn can_branch(&self, step: u32) -> bool {
        self.at(step).is_some_and(|kept| kept.step == step && kept.can_branch)
    }

    /// The last step that a take which was kept before its end can branch from; its last one if it can branch from none. None
    /// for a whole run. The state of the very last step is not in a trace: it was not needed for a further step.
    pub fn kept_branch(&self) -> Option<u32> {
        let last = self.kept.last().filter(|kept| kept.step < self.total)?;
        Some(self.kept.iter().rfind(|kept| kept.can_branch).unwrap_or(last).step)
    }

    /// The kept step after this one.
    pub fn after(&self, step: u32) -> Option<&Kept> {
        self.kept.iter().find(|kept| kept.step > step)
    }

    /// The kept step at this share of the run, from 0 to 1.
    pub fn at_share(&self, share: f64) -> Option<&Kept> {
        let place = (share.clamp(0.0, 1.0) * self.kept.len() as f64) as usize;
        self.kept.get(place.min(self.kept.len().checked_sub(1)?))
    }

    /// The steps around this one whose pictures are decoded ahead.
    pub fn around(&self, step: u32) -> &[Kept] {
        let place = self.place(step);
        &self.kept[place.saturating_sub(AHEAD)..(place + AHEAD + 1).min(self.kept.len())]
    }

    /// The pictures for a place as wide as a clip, where more steps than this cannot be told apart.
    pub fn paths(&self) -> Vec<String> {
        self.kept.iter().step_by(self.kept.len().div_ceil(MOST_PATHS).max(1)).map(|kept| kept.path.clone()).collect()
    }

    /// How long a step is shown when the run is played, milliseconds.
    pub fn play_ms(&self) -> u32 {
        let count = u32::try_from(self.kept.len()).unwrap_or(u32::MAX).max(1);
        (PLAY_MS / count).clamp(STEP_MS[0], STEP_MS[1])
    }

    /// `Step 8 of 20`.
    pub fn label(&self, step: u32) -> String {
        format!("Step {step} of {}", self.total)
    }

    fn place(&self, step: u32) -> usize {
        self.kept.partition_point(|kept| kept.step <= step).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{TakeId, TraceStep};

    /// Steps of a run of 90; those above 100 stand for a step without a picture.
    fn steps(numbers: &[u32]) -> Steps {
        let step = |&step: &u32| TraceStep {
            step: step % 100,
            path: (step < 100).then(|| format!("/{step}")),
            bytes: 1,
            can_branch: step % 2 == 0,
        };
        let steps = numbers.iter().map(step).collect();
        TakeTrace { take_id: TakeId(1), total_steps: 90, bytes: 0, trace_pinned: false, steps }.into()
    }

    #[test]
    fn a_step_without_a_picture_is_no_place_on_the_bar() {
        let steps = steps(&[1, 2, 103, 4, 8]);
        assert_eq!((steps.len(), steps.ends()), (4, Some((1, 8))));
        let at = |step| steps.at(step).map(|kept| (kept.step, kept.can_branch));
        assert_eq!([0, 1, 3, 4, 7, 99].map(at), [1, 1, 2, 4, 4, 8].map(|step| Some((step, step % 2 == 0))));
        assert_eq!([1, 2, 3, 8].map(|step| steps.can_branch(step)), [false, true, false, true]);
        assert_eq!((steps.kept_branch(), self::steps(&[1, 3]).kept_branch()), (Some(8), Some(3)));
        assert_eq!(self::steps(&[1, 2, 3]).kept_branch(), Some(2));
        assert_eq!((self::steps(&[88, 90]).kept_branch(), Steps::default().kept_branch()), (None, None));
        assert_eq!(steps.after(2).map(|kept| kept.path.as_str()), Some("/4"));
        assert_eq!((steps.after(8), steps.label(4)), (None, "Step 4 of 90".to_owned()));
    }

    #[test]
    fn the_whole_width_of_a_clip_is_the_whole_run() {
        let steps = steps(&[1, 2, 3, 4]);
        let at = |share| steps.at_share(share).map_or(0, |kept| kept.step);
        assert_eq!([-1.0, 0.0, 0.24, 0.26, 0.99, 1.0, 2.0].map(at), [1, 1, 1, 2, 4, 4, 4]);
        assert_eq!(Steps::default().at_share(0.5), None);
        assert_eq!(Steps::default().at(1), None);
    }

    #[test]
    fn long_runs_are_decoded_in_part_and_played_in_the_same_time() {
        let all: Vec<u32> = (1..=90).collect();
        let steps = steps(&all);
        let around = |step| steps.around(step).iter().map(|kept| kept.step).collect::<Vec<_>>();
        assert_eq!((around(1), around(90)), ((1..=31).collect(), (60..=90).collect()));
        assert_eq!(around(50).len(), 2 * AHEAD + 1);
        assert_eq!(Steps::default().around(1), []);
        assert_eq!((steps.paths().len(), Steps::default().paths().len()), (90, 0));
        assert_eq!((steps.play_ms(), self::steps(&[1, 2]).play_ms()), (33, 250));
    }
}
