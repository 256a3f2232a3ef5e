//! Playback at the project's frame rate.

use super::Timeline;
use crate::browser;
use leptos::prelude::*;
use protocol::FrameId;
use timeline::{Play, Speed};

impl Timeline {
    /// Plays from the current frame, or pauses at the one under the cursor.
    pub fn toggle_play(self) {
        if self.play.with_untracked(Option::is_some) { self.stop() } else { self.start(Speed(1.0)) }
    }

    /// Plays faster forwards (L) or backwards (J).
    pub fn shuttle(self, forwards: bool) {
        let speed = self.play.with_untracked(|play| play.map_or(Speed(0.0), |play| play.speed));
        self.start(speed.shifted(forwards));
    }

    /// Pauses at the cursor.
    pub fn stop(self) {
        if self.play.get_untracked().is_some() {
            self.play.set(None);
            if let Some(id) = self.store.playing.get_untracked() {
                self.store.chosen.set(Some(id));
            }
            self.store.playing.set(None);
        }
    }

    /// Turns looping on or off, also while playing.
    pub fn toggle_loop(self) {
        self.looping.update(|looping| *looping = !*looping);
        if let Some(play) = self.play.get_untracked() {
            self.start(play.speed);
        }
    }

    /// Selects the frame at this distance.
    pub fn step(self, by: isize) {
        self.stop();
        self.store.step(by);
    }

    fn start(self, speed: Speed) {
        let running = self.play.with_untracked(Option::is_some);
        let id = self.store.seen.with_untracked(|frame| frame.as_ref().map(|frame| frame.id.0));
        let from = self.clips.with_untracked(|clips| {
            let place = id.and_then(|id| clips.place(id)).unwrap_or_default();
            // At the end, forwards starts at the beginning. Backwards starts within the frame, not before it.
            let at_end = place + 1 == clips.len() && !running;
            if speed.0 < 0.0 {
                clips.start(place + 1) as f64 - 0.001
            } else if at_end {
                0.0
            } else {
                clips.start(place) as f64
            }
        });
        let (fps, looping) = (self.store.state.with_untracked(|state| state.project.fps), self.looping.get_untracked());
        self.play.set(Some(Play { from, since_ms: browser::clock_ms(), fps, speed, looping }));
        if !running {
            let addresses = self.store.pictures.with_untracked(|pictures| pictures.addresses(MOST_HELD));
            tick(self, browser::preload(addresses));
        }
    }

    /// Moves the cursor to the current time. Returns false when playback has ended.
    fn advance(self) -> bool {
        let Some(Some(play)) = self.play.try_get_untracked() else { return false };
        let at = self.clips.with_untracked(|clips| {
            let time = play.time_at(browser::clock_ms(), clips.duration())?;
            clips.get(clips.place_at(time)?)
        });
        let Some(clip) = at else {
            self.stop();
            return false;
        };
        let id = Some(FrameId(clip.id));
        if self.store.playing.get_untracked() != id {
            self.store.playing.set(id);
        }
        true
    }
}

/// Pictures that stay decoded during playback: one second at 60 fps, 4 MB each at 1024².
const MOST_HELD: usize = 60;

/// Advances at each animation frame until playback ends. `_held` keeps the pictures decoded until then.
fn tick(timeline: Timeline, _held: browser::Held) {
    request_animation_frame(move || {
        if timeline.advance() {
            tick(timeline, _held);
        }
    });
}
