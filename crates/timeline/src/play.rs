//! The play cursor.

/// Playback speed as a multiple of the project's rate; negative means backwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed(pub f64);

impl Speed {
    /// One step faster forwards (L) or backwards (J): 1, 2, 4 times. A change of direction starts at 1.
    pub fn shifted(self, forwards: bool) -> Self {
        let way = if forwards { 1.0 } else { -1.0 };
        Self(if self.0 * way >= 1.0 { (self.0 * 2.0).clamp(-4.0, 4.0) } else { way })
    }
}

/// State of playback: start position, start time, speed. The cursor is computed from these, so a late repaint skips
/// frames instead of slowing down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Play {
    /// Start position in frames.
    pub from: f64,
    /// Start time in milliseconds, of any clock.
    pub since_ms: f64,
    /// The project's frames per second.
    pub fps: u32,
    /// Multiple of that rate.
    pub speed: Speed,
    /// Whether it restarts at the end.
    pub looping: bool,
}

impl Play {
    /// The cursor's time in frames, from 0 to `duration`. `None` when playback has ended.
    pub fn time_at(&self, now_ms: f64, duration: u64) -> Option<f64> {
        if duration == 0 {
            return None;
        }
        let end = duration as f64;
        let time = self.from + (now_ms - self.since_ms).max(0.0) / 1000.0 * f64::from(self.fps) * self.speed.0;
        match (0.0..end).contains(&time) {
            true => Some(time),
            false if self.looping => Some(time.rem_euclid(end)),
            false => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(from: f64, speed: f64, looping: bool) -> Play {
        Play { from, since_ms: 500.0, fps: 12, speed: Speed(speed), looping }
    }

    #[test]
    fn the_cursor_goes_by_the_projects_rate() {
        let play = play(0.0, 1.0, false);
        // 24 frames at 12 frames per second: two seconds, each frame for a twelfth of a second.
        for (ms, frame) in [(0.0, 0.0), (83.0, 0.0), (84.0, 1.0), (1000.0, 12.0), (1999.0, 23.0)] {
            assert_eq!(play.time_at(500.0 + ms, 24).map(f64::floor), Some(frame), "{ms}");
        }
        assert_eq!(play.time_at(2500.0, 24), None, "it has run out");
        assert_eq!(play.time_at(0.0, 24), Some(0.0), "a clock that went back");
        assert_eq!(play.time_at(500.0, 0), None, "nothing to play");
    }

    #[test]
    fn a_loop_wraps_in_both_directions() {
        assert_eq!(play(0.0, 1.0, true).time_at(500.0 + 2000.0, 12), Some(0.0));
        assert_eq!(play(0.0, -1.0, true).time_at(500.0 + 500.0, 12), Some(6.0));
        assert_eq!(play(3.0, -1.0, false).time_at(500.0 + 500.0, 12), None);
    }

    #[test]
    fn speed_doubles_and_turns_round() {
        let speeds = |mut speed: Speed, presses: &[bool]| {
            let pressed = presses.iter().map(|forwards| {
                speed = speed.shifted(*forwards);
                speed.0
            });
            pressed.collect::<Vec<_>>()
        };
        assert_eq!(speeds(Speed(0.0), &[true, true, true, true, false, false]), [1.0, 2.0, 4.0, 4.0, -1.0, -2.0]);
    }
}
