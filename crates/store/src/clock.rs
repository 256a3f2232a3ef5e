//! Times: epoch milliseconds in the tables, RFC 3339 for readers.

use crate::StoreError;
use std::time::{SystemTime, UNIX_EPOCH};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Milliseconds since 1970-01-01 UTC; 0 on a machine whose clock is set before that.
pub(crate) fn now_ms() -> i64 {
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
    fn a_time_that_no_calendar_holds_is_an_error() {
        let error = rfc3339_from_ms("projects.created_at", i64::MAX).expect_err("year 292 million");
        assert!(error.to_string().contains("projects.created_at"), "{error}");
    }
}
