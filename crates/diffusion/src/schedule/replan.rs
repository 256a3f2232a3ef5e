//! Fewer steps for the rest of a run.

/// The noise levels of a run whose steps after the first `done` are replaced by `rest` steps: the same first `done + 1` levels,
/// then `rest` levels that are as far apart as the replaced ones, by their index, and 0 at the end. Between two of them a level is
/// interpolated by its logarithm. With `rest` equal to the number of steps that are left or above it, or 0, nothing changes.
///
/// `sigmas` fall strictly and end in 0.
pub fn replanned(sigmas: &[f32], done: usize, rest: usize) -> Vec<f32> {
    let left = sigmas.len().saturating_sub(1).saturating_sub(done);
    if rest == 0 || rest >= left {
        return sigmas.to_vec();
    }
    let level = |number: usize| {
        // At most `left - 1`, because a step is at least as long as one of the replaced ones: the last level above 0.
        let place = number as f64 * left as f64 / rest as f64;
        let (index, share) = (done + place as usize, place.fract());
        match sigmas.get(index + 1) {
            Some(&next) if share > 0.0 => {
                (f64::from(sigmas[index]).ln() * (1.0 - share) + f64::from(next).ln() * share).exp() as f32
            }
            _ => sigmas[index],
        }
    };
    let first = sigmas.iter().take(done + 1).copied();
    first.chain((1..rest).map(level)).chain([0.0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ModelSigmas, Schedule, Sigmas, check_sigmas};

    #[test]
    fn the_rest_keeps_the_schedule_s_shape() {
        let sigmas = [16.0, 8.0, 4.0, 2.0, 1.0, 0.0];
        assert_eq!(replanned(&sigmas, 1, 2), [16.0, 8.0, 2.0, 0.0]);
        assert_eq!(replanned(&sigmas, 1, 1), [16.0, 8.0, 0.0]);
        assert_eq!(replanned(&sigmas, 0, 2)[..1], [16.0]);
        // Half-way between 4 and 2 by the logarithm.
        assert!((replanned(&sigmas, 0, 2)[1] - 8.0_f32.sqrt()).abs() < 1e-6);
        for unchanged in [0, 4, 5, 100] {
            assert_eq!(replanned(&sigmas, 1, unchanged), sigmas, "{unchanged}");
        }
    }

    #[test]
    fn every_schedule_falls_to_0_after_every_step() {
        let table = ModelSigmas::default();
        for schedule in Schedule::ALL {
            let sigmas = schedule.sigmas(&table, 20).expect("valid");
            for done in 0..20 {
                for rest in 1..=20 - done {
                    let now = replanned(&sigmas, done, rest);
                    assert_eq!((now.len(), &now[..=done]), (done + rest + 1, &sigmas[..=done]), "{schedule}");
                    check_sigmas(&now).unwrap_or_else(|error| panic!("{schedule}, {rest} after {done}: {error}"));
                }
            }
        }
    }
}
