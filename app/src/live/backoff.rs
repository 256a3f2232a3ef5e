//! The delay before a lost connection is retried.

/// Longest delay, milliseconds.
pub const LONGEST_MS: u32 = 15_000;
/// Shortest delay, milliseconds.
pub const SHORTEST_MS: u32 = 500;

/// The delay before the next attempt, milliseconds: exponential backoff with jitter.
///
/// The ceiling doubles with each failure, from 1 s to [`LONGEST_MS`]. The delay is drawn from the upper half of it, so that
/// not all tabs reconnect to a restarted server at the same moment.
///
/// `failures` is the number of consecutive failed attempts; `random` is uniform in 0..1.
pub fn delay_ms(failures: u32, random: f64) -> u32 {
    let ceiling = (2 * SHORTEST_MS).saturating_mul(1 << failures.min(16)).min(LONGEST_MS);
    let half = ceiling / 2;
    half + (f64::from(half) * random.clamp(0.0, 1.0)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_from_half_a_second_to_a_quarter_of_a_minute() {
        let least: Vec<u32> = (0..7).map(|n| delay_ms(n, 0.0)).collect();
        let most: Vec<u32> = (0..7).map(|n| delay_ms(n, 1.0)).collect();
        assert_eq!(least, [500, 1000, 2000, 4000, 7500, 7500, 7500]);
        assert_eq!(most, [1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    }

    #[test]
    fn the_delay_stays_in_bounds_for_any_input() {
        for failures in [0, 1, 5, 16, 31, 32, 1000, u32::MAX] {
            for random in [-1.0, 0.0, 0.5, 0.999, 7.0, f64::NAN] {
                let ms = delay_ms(failures, random);
                assert!((SHORTEST_MS..=LONGEST_MS).contains(&ms), "{failures} {random}: {ms}");
            }
        }
    }
}
