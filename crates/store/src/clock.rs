//! Timestamps: epoch milliseconds in the tables, RFC 3339 for clients.

use crate::StoreError;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The newest timestamp that was returned.
static NEWEST: AtomicI64 = AtomicI64::new(0);

/// 2200-01-01. A later stored timestamp is a mistake and is ignored.
pub(crate) const LATEST_MS: i64 = 7_258_118_400_000;

/// Milliseconds since 1970-01-01 UTC, later than every timestamp that was returned before.
///
/// Several lists are sorted by the last change, so timestamps must not repeat or go back, even if the system clock does.
/// Until the clock catches up, each is one millisecond after the newest.
pub(crate) fn now_ms() -> i64 {
    let clock = clock_ms();
    let before = NEWEST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |newest| Some(after(newest, clock)));
    after(before.unwrap_or_default(), clock)
}

/// Ensures that new timestamps are later than a stored one.
pub(crate) fn not_before(stored_ms: i64) {
    if stored_ms < LATEST_MS {
        NEWEST.fetch_max(stored_ms, Ordering::Relaxed);
    }
}

fn after(newest: i64, clock: i64) -> i64 {
    clock.max(newest.saturating_add(1))
}

/// The system clock in milliseconds; 0 if it is set before 1970.
fn clock_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC, to the millisecond.
pub(crate) fn rfc3339_from_ms(column: &'static str, ms: i64) -> Result<String, StoreError> {
    let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok());
    text.ok_or_else(|| StoreError::Corrupt { column, value: ms.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_kept_and_the_zone_is_utc() {
        assert_eq!(rfc3339_from_ms("t", 0).expect("the epoch"), "1970-01-01T00:00:00Z");
        // `date -u -d @1763805600` says 2025-11-22 10:00:00.
        assert_eq!(rfc3339_from_ms("t", 1_763_805_600_007).expect("a time"), "2025-11-22T10:00:00.007Z");
    }

    #[test]
    fn times_never_repeat_and_never_go_back() {
        // The clock is set back by an hour, stops, and continues.
        let clocks = [5_000_000, 1_400_000, 1_400_000, 1_400_001, 5_000_001, 5_000_004, 5_000_900];
        let mut newest = 0;
        let given: Vec<i64> = clocks
            .into_iter()
            .map(|clock| {
                newest = after(newest, clock);
                newest
            })
            .collect();
        assert_eq!(given, [5_000_000, 5_000_001, 5_000_002, 5_000_003, 5_000_004, 5_000_005, 5_000_900]);
        let mut before = now_ms();
        for _ in 0..1000 {
            let now = now_ms();
            assert!(now > before, "{now} after {before}");
            before = now;
        }
        not_before(i64::MAX);
        assert!(now_ms() < LATEST_MS, "a stored time that makes no sense does not become the present");
    }

    #[test]
    fn a_time_that_no_calendar_holds_is_an_error() {
        let error = rfc3339_from_ms("projects.created_at", i64::MAX).expect_err("year 292 million");
        assert!(error.to_string().contains("projects.created_at"), "{error}");
    }
}
