//! When to try again after the connection was lost.

/// The longest wait between two tries.
pub const LONGEST_MS: u32 = 15_000;
/// The shortest.
pub const SHORTEST_MS: u32 = 500;

/// How long to wait before the next try, in milliseconds.
///
/// The ceiling doubles with each failure, 1 s to [`LONGEST_MS`]; the wait is drawn from its upper half, so
/// that the tabs of a server that restarts do not all come back in the same moment.
///
/// `failures` counts the tries in a row that reached no server; `random` is uniform in 0..1.
pub fn delay_ms(failures: u32, random: f64) -> u32 {
    let ceiling = (2 * SHORTEST_MS).saturating_mul(1 << failures.min(16)).min(LONGEST_MS);
    let half = ceiling / 2;
    half + (f64::from(half) * random.clamp(0.0, 1.0)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_from_half_a_second_to_a_quarter_of_a_minute() {
        let least: Vec<u32> = (0..7).map(|n| delay_ms(n, 0.0)).collect();
        let most: Vec<u32> = (0..7).map(|n| delay_ms(n, 1.0)).collect();
        assert_eq!(least, [500, 1000, 2000, 4000, 7500, 7500, 7500]);
        assert_eq!(most, [1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    }

    #[test]
    fn the_wait_stays_in_bounds_whatever_it_is_given() {
        for failures in [0, 1, 5, 16, 31, 32, 1000, u32::MAX] {
            for random in [-1.0, 0.0, 0.5, 0.999, 7.0, f64::NAN] {
                let ms = delay_ms(failures, random);
                assert!((SHORTEST_MS..=LONGEST_MS).contains(&ms), "{failures} {random}: {ms}");
            }
        }
    }
}
