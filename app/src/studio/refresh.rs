//! Which picture of each frame is on the screen, and which are to be fetched when. Pure; `pictures` fetches them.

use super::{
    address::{picture, picture_unheard},
    state::StudioState,
};
use protocol::{Frame, FrameId, FrameStatus, TaskId, TaskStatus, TaskSummary};
use std::collections::BTreeMap;

/// The refresh interval of previews.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Twice a second.
    Half,
    /// Once a second.
    #[default]
    One,
    /// Every other second.
    Two,
    /// At each progress event, and once a second.
    Live,
}

impl Pace {
    /// Every pace, fastest last.
    pub const ALL: [Self; 4] = [Self::Two, Self::One, Self::Half, Self::Live];

    /// The interval, milliseconds.
    pub fn interval_ms(self) -> u32 {
        match self {
            Self::Half => 500,
            Self::One | Self::Live => 1000,
            Self::Two => 2000,
        }
    }

    /// The name under which it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Half => "0.5",
            Self::One => "1",
            Self::Two => "2",
            Self::Live => "live",
        }
    }

    /// The pace of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pace| pace.as_str() == name)
    }
}

/// Least number of refreshes during a generation. Fast generations get a shorter interval than the pace's.
const MIN_REFRESHES: u64 = 8;
/// Shortest interval, milliseconds.
const SHORTEST_MS: u32 = 250;

/// The current refresh interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    pace: Pace,
    /// The newest running task.
    of: Option<TaskId>,
    /// Milliseconds.
    pub period_ms: u32,
}

impl Beat {
    /// The interval after `before`: the pace's, or a shorter one while a running generation would get too few refreshes. For
    /// one task it only becomes shorter, and by at least a quarter: an estimate that fluctuates would restart the interval at
    /// each step, and it would never elapse.
    pub fn next(before: Option<Self>, pace: Pace, tasks: &[TaskSummary]) -> Self {
        let running = || tasks.iter().filter(|task| task.status == TaskStatus::Running);
        let whole_ms = |task: &TaskSummary| {
            let (left, all) = (task.total_steps.saturating_sub(task.step), task.total_steps);
            task.eta_ms.filter(|_| task.step > 0)?.saturating_mul(all.into()).checked_div(left.into())
        };
        let (of, quickest_ms) = (running().map(|task| task.task_id).max(), running().filter_map(whole_ms).min());
        let looked_at = |whole: u64| u32::try_from(whole / MIN_REFRESHES).unwrap_or(u32::MAX);
        let wanted_ms = quickest_ms.map_or(u32::MAX, looked_at).clamp(SHORTEST_MS, pace.interval_ms());
        let period_ms = match before.filter(|before| (before.pace, before.of) == (pace, of)) {
            Some(before) if 4 * wanted_ms >= 3 * before.period_ms => before.period_ms,
            _ => wanted_ms,
        };
        Self { pace, of, period_ms }
    }
}

/// The URLs on the screen, and those that are being fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pictures {
    shown: BTreeMap<FrameId, String>,
    loading: BTreeMap<FrameId, String>,
}

impl Pictures {
    /// The pictures of the initial state.
    pub fn of(state: &StudioState) -> Self {
        let shown = state.frames.iter().map(|frame| (frame.id, picture(frame, &state.tasks))).collect();
        Self { shown, loading: BTreeMap::new() }
    }

    /// The URL of a frame's picture on the screen.
    pub fn shown(&self, id: FrameId) -> Option<&str> {
        self.shown.get(&id).map(String::as_str)
    }

    /// At most this many of the URLs on the screen.
    pub fn addresses(&self, most: usize) -> Vec<String> {
        self.shown.values().take(most).cloned().collect()
    }

    /// Adds new frames at once, because they have no picture on the screen yet, and removes deleted ones. Returns whether
    /// anything changed.
    pub fn sync_frames(&mut self, state: &StudioState) -> bool {
        let before = (self.shown.len(), self.loading.len());
        self.shown.retain(|id, _| state.frame(*id).is_some());
        self.loading.retain(|id, _| state.frame(*id).is_some());
        let gone = before != (self.shown.len(), self.loading.len());
        let known = self.shown.len();
        for frame in &state.frames {
            self.shown.entry(frame.id).or_insert_with(|| picture(frame, &state.tasks));
        }
        gone || known != self.shown.len()
    }

    /// The pictures to fetch now: previews, if `forming`, and finished ones that are not shown yet. No URL is fetched twice, and
    /// each frame has at most one request under way. `unheard_ms` is the time while the socket is down.
    pub fn due(&mut self, state: &StudioState, forming: bool, unheard_ms: Option<u64>) -> Vec<(FrameId, String)> {
        let mut due = Vec::new();
        for frame in &state.frames {
            let wanted = match unheard_ms {
                Some(now) if frame.status.is_generating() => picture_unheard(frame, now),
                _ => picture(frame, &state.tasks),
            };
            let takes_part = forming || !frame.status.is_generating();
            if takes_part && !self.loading.contains_key(&frame.id) && self.shown(frame.id) != Some(wanted.as_str()) {
                self.loading.insert(frame.id, wanted.clone());
                due.push((frame.id, wanted));
            }
        }
        due
    }

    /// A request has ended. A decoded picture replaces the old one.
    pub fn arrived(&mut self, id: FrameId, address: &str, decoded: bool) {
        if self.loading.get(&id).is_some_and(|loading| loading == address) {
            self.loading.remove(&id);
            if decoded && let Some(shown) = self.shown.get_mut(&id) {
                *shown = address.to_owned();
            }
        }
    }

    /// Whether there is or will be something to fetch. A paused picture does not change.
    pub fn is_busy(&self, state: &StudioState) -> bool {
        let behind = |frame: &Frame| self.shown(frame.id) != Some(picture(frame, &state.tasks).as_str());
        let changes = |frame: &Frame| matches!(frame.status, FrameStatus::Queued | FrameStatus::Running);
        state.frames.iter().any(|frame| changes(frame) || behind(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::state::examples::*;
    use protocol::Message;

    fn forming() -> StudioState {
        let frames = vec![frame(1), Frame { status: FrameStatus::Queued, etag: None, ..frame(2) }];
        studio(frames, vec![task(2)]).into()
    }

    fn hear(state: &mut StudioState, event: protocol::Event) {
        let seq = state.seq + 1;
        state.apply(Message { seq: Some(seq), event });
    }

    #[test]
    fn only_frames_being_made_are_fetched_and_no_step_twice() {
        let mut state = forming();
        let mut pictures = Pictures::of(&state);
        assert_eq!(pictures.due(&state, true, None), [], "what is shown is not fetched");
        hear(&mut state, progress(ids(2, 1), 3));
        let due = pictures.due(&state, true, None);
        assert_eq!(due, [(FrameId(2), "/media/k2.png?t=1.3".to_owned())]);
        hear(&mut state, progress(ids(2, 1), 4));
        assert_eq!(pictures.due(&state, true, None), [], "one request at a time");
        assert_eq!(pictures.shown(FrameId(2)), Some("/media/k2.png?t=0.0"), "the old one stays until then");
        pictures.arrived(FrameId(2), &due[0].1, true);
        assert_eq!(pictures.shown(FrameId(2)), Some("/media/k2.png?t=1.3"));
        assert_eq!(pictures.due(&state, true, None).len(), 1);
    }

    #[test]
    fn the_finished_picture_is_fetched_once_and_then_nothing_more() {
        let mut state = forming();
        let mut pictures = Pictures::of(&state);
        hear(&mut state, progress(ids(2, 1), 30));
        assert!(pictures.is_busy(&state));
        let late = pictures.due(&state, true, None);
        hear(&mut state, completed(ids(2, 1), Some(frame(2))));
        pictures.arrived(FrameId(2), &late[0].1, true);
        let last = pictures.due(&state, false, None);
        assert_eq!(last, [(FrameId(2), "/media/k2.png?v=e2".to_owned())]);
        pictures.arrived(FrameId(2), &last[0].1, true);
        assert_eq!(pictures.due(&state, true, None), []);
        assert!(!pictures.is_busy(&state));
    }

    #[test]
    fn what_could_not_be_fetched_is_tried_again() {
        let mut state = forming();
        let mut pictures = Pictures::of(&state);
        hear(&mut state, completed(ids(2, 1), Some(frame(2))));
        let due = pictures.due(&state, false, None);
        pictures.arrived(FrameId(2), &due[0].1, false);
        assert_eq!(pictures.shown(FrameId(2)), Some("/media/k2.png?t=0.0"));
        assert!(pictures.is_busy(&state));
        assert_eq!(pictures.due(&state, false, None), due);
    }

    #[test]
    fn the_clock_refreshes_while_no_event_arrives() {
        let state = forming();
        let mut pictures = Pictures::of(&state);
        assert_eq!(pictures.due(&state, true, Some(1700)), [(FrameId(2), "/media/k2.png?t=1700".to_owned())]);
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut state = forming();
        let mut pictures = Pictures::of(&state);
        let due = {
            hear(&mut state, progress(ids(2, 1), 1));
            pictures.due(&state, true, None)
        };
        hear(&mut state, cancelled(ids(2, 1), None));
        assert!(pictures.sync_frames(&state));
        pictures.arrived(FrameId(2), &due[0].1, true);
        assert_eq!((pictures.shown.len(), pictures.loading.len()), (1, 0));
        assert!(!pictures.sync_frames(&state));
    }

    #[test]
    fn a_quick_picture_is_looked_at_more_often_and_a_slow_one_as_the_pace_says() {
        let run = |id, step, eta_ms| TaskSummary { status: TaskStatus::Running, step, eta_ms, ..task(id) };
        let after = |before, pace, tasks: &[TaskSummary]| Beat::next(before, pace, tasks);
        let period = |pace, tasks: &[TaskSummary]| after(None, pace, tasks).period_ms;
        // 30 steps: with 10 done, what is left is two thirds.
        for (eta_ms, expected) in [(60_000, 1000), (5400, 1000), (5200, 975), (2600, 487), (100, 250)] {
            assert_eq!(period(Pace::One, &[run(1, 10, Some(eta_ms))]), expected, "{eta_ms} ms left");
        }
        assert_eq!(period(Pace::Two, &[run(1, 10, Some(9000))]), 1687);
        assert_eq!(period(Pace::Half, &[run(1, 10, Some(9000))]), 500);
        for unknown in [run(1, 0, Some(5)), run(1, 3, None), run(1, 30, Some(0)), task(1)] {
            assert_eq!(period(Pace::One, &[unknown]), 1000);
        }
        let quick = after(None, Pace::One, &[run(1, 10, Some(2600))]);
        for eta_ms in [2400, 60_000] {
            assert_eq!(after(Some(quick), Pace::One, &[run(1, 10, Some(eta_ms))]), quick, "it does not waver");
        }
        assert_eq!(after(Some(quick), Pace::One, &[run(1, 10, Some(1000))]).period_ms, 250, "much quicker");
        assert_eq!(after(Some(quick), Pace::Two, &[run(1, 11, Some(60_000))]).period_ms, 2000, "another pace");
        assert_eq!(after(Some(quick), Pace::One, &[run(2, 1, Some(60_000))]).period_ms, 1000, "another picture");
    }

    #[test]
    fn paces_read_back() {
        for pace in Pace::ALL {
            assert_eq!(Pace::from_name(pace.as_str()), Some(pace));
        }
    }
}
