//! How fast an animation goes through its pictures.

/// The curve from the share of the time that has passed to the share of the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Easing {
    /// Every picture for the same time.
    Linear,
    /// Slow at the start: `t^2`.
    EaseIn,
    /// Slow at the end: `1 - (1 - t)^2`.
    EaseOut,
    /// Slow at both ends: `t^2 (3 - 2 t)`, the smoothstep function.
    EaseInOut,
}

impl Easing {
    /// For how many of `frames` frames each of `pictures` pictures is shown. The sum is `frames`. With two frames or more the first
    /// and the last picture are shown; others are left out (0) where there are more pictures than frames.
    pub fn durations(self, pictures: usize, frames: u32) -> Vec<u32> {
        let mut durations = vec![0; pictures];
        let (Some(last), end) = (pictures.checked_sub(1), f64::from(frames.saturating_sub(1)).max(1.0)) else {
            return durations;
        };
        for frame in 0..frames {
            let place = self.at(f64::from(frame) / end) * last as f64;
            durations[(place.round() as usize).min(last)] += 1;
        }
        durations
    }

    fn at(self, t: f64) -> f64 {
        match self {
            Self::Linear => t,
            Self::EaseIn => t * t,
            Self::EaseOut => 1.0 - (1.0 - t) * (1.0 - t),
            Self::EaseInOut => t * t * (3.0 - 2.0 * t),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Easing; 4] = [Easing::Linear, Easing::EaseIn, Easing::EaseOut, Easing::EaseInOut];

    #[test]
    fn the_whole_time_is_used_from_the_first_picture_to_the_last() {
        for easing in ALL {
            for (pictures, frames) in [(1, 1), (1, 9), (2, 2), (5, 3), (21, 60), (300, 75)] {
                let durations = easing.durations(pictures, frames);
                assert_eq!((durations.len(), durations.iter().sum::<u32>()), (pictures, frames), "{easing:?}");
                assert!(durations[0] > 0 && durations[pictures - 1] > 0, "{easing:?} {durations:?}");
            }
        }
        assert_eq!(Easing::Linear.durations(0, 5), Vec::<u32>::new());
    }

    #[test]
    fn an_end_that_is_slow_has_more_of_the_time() {
        let halves = |easing: Easing| {
            let durations = easing.durations(11, 102);
            let sum = |part: &[u32]| part.iter().sum::<u32>();
            (sum(&durations[..5]), sum(&durations[6..]))
        };
        // Half of the pictures are passed at t = 1/2, at 1/sqrt(2), and at 1 - 1/sqrt(2).
        assert_eq!(halves(Easing::Linear), (46, 46));
        assert_eq!(halves(Easing::EaseIn), (68, 27));
        assert_eq!(halves(Easing::EaseOut), (27, 68));
        let durations = Easing::EaseInOut.durations(11, 102);
        assert!(2 * durations[0] > 3 * durations[5] && 2 * durations[10] > 3 * durations[5], "{durations:?}");
    }
}
