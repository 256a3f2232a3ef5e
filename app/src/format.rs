//! Numbers formatted for display.

/// Used and total memory in binary gigabytes: `3.1 of 15.6 GB`.
pub fn memory(used_bytes: u64, total_bytes: u64) -> String {
    format!("{} of {} GB", gigabytes(used_bytes), gigabytes(total_bytes))
}

/// One decimal by integer arithmetic: the WASM then needs no float formatting.
fn gigabytes(bytes: u64) -> String {
    let tenths = ((bytes >> 20) * 10 + 512) >> 10;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A file's size: `812 kB`, `3.1 MB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// A model file's size: as [`size`], and `6.9 GB`.
pub fn file_size(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => size(bytes),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000),
    }
}

/// A duration in its two largest units: `4 s`, `12 min`, `3 h 5 min`, `2 d 1 h`.
pub fn uptime(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}

/// A percentage as a whole number; NaN is 0.
pub fn percent(share: f32) -> u32 {
    // The cast saturates; NaN becomes 0.
    (share + 0.5).clamp(0.0, 100.0) as u32
}

/// A number with its noun: `1 project`, `12 projects`.
pub fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gigabytes_are_rounded_to_tenths() {
        const GIB: u64 = 1 << 30;
        for (bytes, text) in [
            (0, "0.0"),
            (GIB / 20, "0.0"),
            (GIB, "1.0"),
            (GIB * 31 / 10, "3.1"),
            (GIB * 156 / 10, "15.6"),
            (17 * GIB, "17.0"),
        ] {
            assert_eq!(gigabytes(bytes), text, "{bytes}");
        }
        assert_eq!(memory(GIB, 16 * GIB), "1.0 of 16.0 GB");
        assert_eq!(gigabytes(u64::MAX), "17179869184.0");
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        let sizes = [0, 1, 812_000, 999_999, 1_000_000, 3_190_000, 2_000_000_000].map(size);
        assert_eq!(sizes, ["0 kB", "1 kB", "812 kB", "1000 kB", "1.0 MB", "3.1 MB", "2000.0 MB"]);
        assert_eq!([999_999_999, 6_938_000_000].map(file_size), ["999.9 MB", "6.9 GB"]);
    }

    #[test]
    fn durations_have_their_two_largest_units() {
        let read = [0, 59, 60, 3599, 3600, 11_100, 86_400, 180_000].map(uptime);
        assert_eq!(read, ["0 s", "59 s", "1 min", "59 min", "1 h 0 min", "3 h 5 min", "1 d 0 h", "2 d 2 h"]);
    }

    #[test]
    fn a_percentage_is_clamped() {
        assert_eq!([12.4, 12.5, -3.0, 250.0, f32::NAN, f32::INFINITY].map(percent), [12, 13, 0, 100, 0, 100]);
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(count(1, "project", "projects"), "1 project");
        assert_eq!(count(0, "project", "projects"), "0 projects");
    }
}
