//! Time accounting of one connection: what it is doing, and how long it has kept the server waiting.

use super::limits::Limits;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Duration, Instant},
};

/// When the server stops: how long it waits for the rest of a request, or for a client to read its response.
const STOPPING_WAIT: Duration = Duration::from_millis(500);

/// How long the response 408 to a slow body may take before the connection is closed.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A connection's state, shared by its socket, its bodies and the timeout checks.
#[derive(Debug)]
pub(super) struct Pace(Mutex<State>);

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Start of the phase. Between requests: when the last byte of the response was sent, which can be long after the
    /// response was handed over.
    since: Instant,
    body: Wait,
    reader: Wait,
    body_waker: Option<Waker>,
    body_expired: Option<Instant>,
    body_left_unread: bool,
    body_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for a request's header, or for the rest of it.
    Header,
    /// Between two requests.
    Idle,
    /// A request is being handled.
    Work,
    /// A WebSocket, which has its own time limits.
    Socket,
    /// The response is sent, and the rest of the request is discarded.
    Closing,
}

/// Time spent waiting for the client, in one direction.
#[derive(Debug, Default)]
struct Wait {
    since: Option<Instant>,
    before: Duration,
    bytes: u64,
}

impl Wait {
    fn begin(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    fn progress(&mut self, now: Instant, bytes: usize) {
        if let Some(since) = self.since.take() {
            self.before += now.saturating_duration_since(since);
        }
        self.bytes += bytes as u64;
    }

    fn now(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    fn is_over(&self, now: Instant, limits: &Limits) -> bool {
        let current = self.now(now);
        let granted = Duration::from_secs(self.bytes / limits.rate.max(1));
        current > limits.stall || (self.since.is_some() && self.before + current > limits.patience + granted)
    }
}

impl Pace {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            phase: Phase::Header,
            since: Instant::now(),
            body: Wait::default(),
            reader: Wait::default(),
            body_waker: None,
            body_expired: None,
            body_left_unread: false,
            body_bytes: 0,
        }))
    }

    /// Bytes were received.
    pub(super) fn received(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Idle {
            state.enter(Phase::Header);
        }
    }

    /// The socket's send buffer is full.
    pub(super) fn sending_waits(&self) {
        self.lock().reader.begin(Instant::now());
    }

    /// `bytes` were sent.
    pub(super) fn sent(&self, bytes: usize) {
        let (mut state, now) = (self.lock(), Instant::now());
        state.reader.progress(now, bytes);
        if state.phase == Phase::Idle {
            state.since = now;
        }
    }

    /// A request's header was received.
    pub(super) fn begin_request(&self) {
        let mut state = self.lock();
        state.enter(Phase::Work);
        (state.body, state.reader) = (Wait::default(), Wait::default());
        (state.body_expired, state.body_left_unread) = (None, false);
    }

    /// The response was handed over to be sent.
    pub(super) fn end_request(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Work {
            state.enter(Phase::Idle);
        }
    }

    /// The connection becomes a WebSocket.
    pub(super) fn become_socket(&self) {
        self.lock().enter(Phase::Socket);
    }

    /// The last byte was sent. Returns whether the client may still be sending a body that no handler reads.
    pub(super) fn begin_closing(&self) -> bool {
        let mut state = self.lock();
        state.enter(Phase::Closing);
        state.body_left_unread
    }

    /// A handler waits for more of the body. Returns whether its time limit has passed.
    pub(super) fn body_waits(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        state.body.begin(Instant::now());
        state.body_waker = Some(waker.clone());
        state.body_expired.is_some()
    }

    /// `bytes` of the body were received.
    pub(super) fn body_received(&self, bytes: usize) {
        let mut state = self.lock();
        state.body.progress(Instant::now(), bytes);
        state.body_bytes += bytes as u64;
    }

    /// The handler dropped the body without reading all of it.
    pub(super) fn body_left_unread(&self) {
        let mut state = self.lock();
        state.body.since = None;
        state.body_left_unread = true;
    }

    /// Whether the body exceeded its time limit.
    pub(super) fn is_body_expired(&self) -> bool {
        self.lock().body_expired.is_some()
    }

    /// Bytes of request bodies received on this connection.
    pub(super) fn body_bytes(&self) -> u64 {
        self.lock().body_bytes
    }

    /// Whether a request is being handled.
    pub(super) fn is_handling_request(&self) -> bool {
        self.lock().phase == Phase::Work
    }

    /// Since when the server has been waiting for the client, or `None`.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let state = self.lock();
        match state.phase {
            Phase::Idle => Some(state.reader.since.unwrap_or(state.since)),
            Phase::Header | Phase::Closing => Some(state.since),
            Phase::Work => state.body.since.into_iter().chain(state.reader.since).min(),
            Phase::Socket => None,
        }
    }

    /// Returns once a time limit has passed. A body over its limit first fails with an error, so that its request can still
    /// be answered.
    pub(super) async fn over(&self, limits: &Limits, is_stopping: bool) {
        let tick = if is_stopping { STOPPING_WAIT / 10 } else { limits.tick() };
        while !self.is_over(Instant::now(), limits, is_stopping) {
            tokio::time::sleep(tick).await;
        }
    }

    fn is_over(&self, now: Instant, limits: &Limits, is_stopping: bool) -> bool {
        let mut state = self.lock();
        let since = now.saturating_duration_since(state.since);
        let (body, reader) = (state.body.now(now), state.reader.now(now));
        match state.phase {
            Phase::Socket => false,
            _ if state.reader.is_over(now, limits) => true,
            Phase::Header | Phase::Closing => is_stopping || since > limits.header,
            Phase::Idle if is_stopping => reader.is_zero() || reader > STOPPING_WAIT,
            Phase::Idle => state.reader.since.is_none() && since > limits.idle,
            Phase::Work if is_stopping => body > STOPPING_WAIT || reader > STOPPING_WAIT,
            Phase::Work if state.body_expired.is_some_and(|at| now.saturating_duration_since(at) > ANSWER_WITHIN) => {
                true
            }
            Phase::Work => {
                if state.body_expired.is_none() && state.body.is_over(now, limits) {
                    state.body_expired = Some(now);
                    if let Some(waker) = state.body_waker.take() {
                        waker.wake();
                    }
                }
                false
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        (self.phase, self.since) = (phase, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits::default()
    }

    /// Seconds until a wait is over in which so many bytes come every so many seconds; none if it lasts an hour.
    fn ends_after(bytes: usize, every: u32) -> Option<u32> {
        let (start, mut wait) = (Instant::now(), Wait::default());
        for second in 0..3600 {
            let now = start + SECOND * second;
            if second % every == 0 {
                wait.progress(now, bytes);
                wait.begin(now);
            }
            if wait.is_over(now, &limits()) {
                return Some(second);
            }
        }
        None
    }

    #[test]
    fn a_slow_line_that_lives_goes_on_and_a_trickle_does_not() {
        assert_eq!(ends_after(1000, 1), None, "1 kB/s");
        assert_eq!(ends_after(12_000, 20), None, "12 kB every 20 s");
        assert_eq!(ends_after(1, 1), Some(31), "a byte a second");
        assert!(ends_after(400, 1).is_some_and(|second| second < 200), "400 B/s");
        assert_eq!(ends_after(1_000_000, 1000), Some(61), "a megabyte and then nothing");
    }

    #[test]
    fn time_that_the_server_takes_is_not_counted() {
        let (start, mut wait) = (Instant::now(), Wait::default());
        wait.progress(start, 1);
        assert!(!wait.is_over(start + 3600 * SECOND, &limits()), "nobody asked for more");
    }

    #[test]
    fn a_half_header_is_over_after_its_time_also_if_bytes_keep_coming() {
        let (pace, limits, start) = (Pace::new(), Limits::default(), Instant::now());
        pace.received();
        assert!(!pace.is_over(start + 9 * SECOND, &limits, false));
        pace.received();
        assert!(pace.is_over(start + 11 * SECOND, &limits, false));
        assert!(pace.is_over(start, &limits, true), "the server stops");
    }

    #[test]
    fn between_requests_it_may_be_idle_for_longer_and_work_has_no_end() {
        let (pace, limits, start) = (Pace::new(), Limits::default(), Instant::now());
        pace.begin_request();
        assert!(!pace.is_over(start + 3600 * SECOND, &limits, false), "a request is answered");
        assert!(!pace.is_over(start + 3600 * SECOND, &limits, true));
        assert_eq!(pace.waits_since(), None);
        pace.end_request();
        assert!(!pace.is_over(start + 59 * SECOND, &limits, false));
        assert!(pace.is_over(start + 62 * SECOND, &limits, false));
        pace.received();
        assert!(pace.is_over(start + 12 * SECOND, &limits, false), "the next header has its own time");
        pace.begin_request();
        pace.end_request();
        pace.sending_waits();
        assert!(!pace.is_over(start + 5 * SECOND, &Limits { idle: SECOND, ..limits }, false), "the answer goes out");
        pace.sent(1);
        assert!(pace.is_over(start + 3 * SECOND, &Limits { idle: SECOND, ..limits }, false));
        pace.become_socket();
        assert!(!pace.is_over(start + 3600 * SECOND, &limits, true) && pace.waits_since().is_none());
    }

    #[test]
    fn a_body_that_stalls_is_failed_first_and_cut_then() {
        let (pace, limits, start) = (Pace::new(), Limits::default(), Instant::now());
        pace.begin_request();
        assert!(!pace.body_waits(Waker::noop()));
        assert!(!pace.is_over(start + 31 * SECOND, &limits, false), "it can still be answered");
        assert!(pace.is_body_expired() && pace.body_waits(Waker::noop()));
        assert!(pace.is_over(start + 34 * SECOND, &limits, false));
        pace.begin_request();
        assert!(!pace.is_body_expired());
        pace.sending_waits();
        assert!(pace.is_over(start + 31 * SECOND, &limits, false), "nobody reads the answer");
        assert!(pace.is_over(start + SECOND, &limits, true), "nobody reads, and the server stops");
    }
}
