//! Percentiles of times.
#![allow(dead_code, reason = "each benchmark has its own limits")]

use std::fmt;

/// Of times in milliseconds.
pub struct Percentiles {
    count: usize,
    p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub most: f64,
}

impl Percentiles {
    /// All infinite without times: what was not measured keeps no promise.
    pub fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let count = times.len();
        let of = |share: f64| {
            times.get(((count as f64 * share) as usize).min(count.saturating_sub(1))).copied().unwrap_or(f64::INFINITY)
        };
        Self { count, p50: of(0.5), p95: of(0.95), p99: of(0.99), most: of(1.0) }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, p50, p95, p99, most } = self;
        write!(f, "{p50:.1} ms, p95 {p95:.1} ms, p99 {p99:.1} ms, most {most:.1} ms ({count})")
    }
}
