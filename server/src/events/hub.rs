//! The event hub: numbers events, keeps a bounded history, and queues each for every connection.

use super::numbers::{Numbers, entry_of};
use super::reader::{Delivery, Entry, Reader, Thing};
use protocol::{Event, Message, Metrics, ProjectId};
use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};
use store::{Change, LogEntry};
use tokio::sync::Notify;

/// Maximum number of events in the history, for clients that reconnect: a few minutes of three concurrent generations.
const HISTORY: usize = 8192;
/// The same for a log that servers share: all that the log keeps. Progress is not in it.
const SHARED_HISTORY: usize = 20_000;
/// Maximum size of the history, bytes. The state of a full queue is 300 kB, published up to twenty times a second.
const HISTORY_BYTES: usize = 32 << 20;

/// Numbers and distributes events. Publishing never waits for a reader.
#[derive(Debug)]
pub struct Hub {
    // Locked while an event is distributed too, so that every reader sees increasing `seq`s.
    state: Mutex<State>,
    dropped_progress: AtomicU64,
    /// Bytes of the newest event with the queue's state.
    queue_bytes: AtomicUsize,
    queue_changed: Notify,
    library_changed: Notify,
    workers_changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    epoch: String,
    numbers: Numbers,
    history: VecDeque<Arc<Entry>>,
    history_bytes: usize,
    /// The newest `seq` that is no longer in the history and was not superseded by a newer event.
    forgotten: u64,
    readers: Vec<Weak<Reader>>,
}

impl State {
    fn remember(&mut self, entry: Arc<Entry>) {
        // Another server has other progress under these numbers, and `hello` has the newest of each task.
        if self.numbers.is_shared() && matches!(entry.delivery, Delivery::Progress(_)) {
            return;
        }
        self.history_bytes += entry.text.len();
        self.history.push_back(entry);
        if self.history_bytes > HISTORY_BYTES {
            self.forget_superseded();
        }
        let most = if self.numbers.is_shared() { SHARED_HISTORY } else { HISTORY };
        while self.history.len() > most || (self.history_bytes > HISTORY_BYTES && self.history.len() > 1) {
            let Some(oldest) = self.history.pop_front() else { return };
            self.history_bytes -= oldest.text.len();
            self.forgotten = oldest.seq.unwrap_or_default().max(self.forgotten);
        }
    }

    /// Removes each state event that is followed by a newer one of the same thing. A client that asks for the events after any
    /// earlier number gets the newer one.
    fn forget_superseded(&mut self) {
        let mut newer = HashSet::new();
        let mut kept: VecDeque<_> = VecDeque::with_capacity(self.history.len());
        for entry in self.history.drain(..).rev() {
            let is_superseded = matches!(entry.delivery, Delivery::State(thing) if !newer.insert(thing));
            match is_superseded {
                true => self.history_bytes -= entry.text.len(),
                false => kept.push_front(entry),
            }
        }
        self.history = kept;
    }
}

/// What a client subscribes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The epoch that `since` belongs to.
    pub epoch: Option<String>,
    /// The last `seq` received.
    pub since: Option<u64>,
    /// If set, only this project's events and those without a project.
    pub project_id: Option<ProjectId>,
}

/// A new subscription.
#[derive(Debug)]
pub struct Subscription {
    /// The epoch that `seq` belongs to.
    pub epoch: String,
    /// The newest `seq` when it started. The reader gets all later events.
    pub seq: u64,
    /// The reader's queue, with the missed events already in it.
    pub reader: Arc<Reader>,
    /// Why missed events cannot be replayed. `None` if they can, or if the client did not ask for any.
    pub resync: Option<&'static str>,
}

impl Hub {
    /// A hub with a random epoch. Times and process ids would not be unique: clocks are set back and ids are reused.
    pub fn new() -> Self {
        let epoch = format!("{:032x}", rand::random::<u128>());
        Self {
            state: Mutex::new(State { epoch, ..State::default() }),
            dropped_progress: AtomicU64::new(0),
            queue_bytes: AtomicUsize::new(0),
            queue_changed: Notify::new(),
            library_changed: Notify::new(),
            workers_changed: Notify::new(),
        }
    }

    /// The epoch and the newest `seq` in it. The epoch identifies this start of the server, or the shared log.
    pub fn position(&self) -> (String, u64) {
        let state = self.lock();
        (state.epoch.clone(), state.numbers.newest())
    }

    /// Publishes an event that is in no log.
    pub fn publish(&self, event: Event) {
        let may_be_dropped = matches!(Delivery::of(&event), Delivery::Progress(_));
        let mut state = self.lock();
        match state.numbers.next_own(may_be_dropped) {
            Some(seq) => self.publish_as(&mut state, seq, event),
            None => _ = self.dropped_progress.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn publish_as(&self, state: &mut State, seq: u64, event: Event) {
        let (project, delivery) = (event.project_id(), Delivery::of(&event));
        let Some(text) = json(&Message { seq: Some(seq), event }) else { return };
        if delivery == Delivery::State(Thing::Queue) {
            self.queue_bytes.store(text.len(), Ordering::Relaxed);
        }
        let entry = Arc::new(Entry { seq: Some(seq), project, delivery, text });
        state.remember(Arc::clone(&entry));
        self.distribute(state, &entry);
    }

    /// Publishes the machine's metrics, without a `seq` and not in the history.
    pub fn publish_metrics(&self, metrics: Metrics) {
        let event = Event::Metrics(metrics);
        let delivery = Delivery::of(&event);
        let Some(text) = json(&Message { seq: None, event }) else { return };
        let entry = Arc::new(Entry { seq: None, project: None, delivery, text });
        self.distribute(&mut self.lock(), &entry);
    }

    fn distribute(&self, state: &mut State, entry: &Arc<Entry>) {
        let mut dropped = 0;
        state.readers.retain(|reader| {
            let Some(reader) = reader.upgrade() else { return false };
            dropped += reader.push(entry);
            true
        });
        self.dropped_progress.fetch_add(dropped, Ordering::Relaxed);
    }

    /// The entry of the shared log that a client got from another server before this one got it.
    pub fn is_behind(&self, position: &Position) -> Option<u64> {
        let state = self.lock();
        let is_here = position.epoch.as_ref().is_none_or(|epoch| *epoch == state.epoch);
        let asked = position.since.filter(|_| is_here && state.numbers.is_shared()).map(entry_of)?;
        (asked > entry_of(state.numbers.newest())).then_some(asked)
    }

    /// Adds a reader and queues the events that it missed.
    pub fn subscribe(&self, position: &Position) -> Subscription {
        let mut state = self.lock();
        let reader = Arc::new(Reader::new(position.project_id));
        let resync = match position.since {
            None => None,
            Some(_) if position.epoch.as_ref().is_some_and(|epoch| *epoch != state.epoch) => {
                Some("the server was restarted")
            }
            Some(since) if since > state.numbers.newest() && !state.numbers.accept(since) => {
                Some("the server has no event of that number yet")
            }
            Some(since) if state.forgotten > since => Some("too much has happened since"),
            Some(since) => {
                state.history.iter().filter(|entry| entry.seq > Some(since)).for_each(|entry| _ = reader.push(entry));
                None
            }
        };
        state.readers.push(Arc::downgrade(&reader));
        let (epoch, seq, is_shared) = (state.epoch.clone(), state.numbers.newest(), state.numbers.is_shared());
        drop(state);
        // These events are made by each server. The client may have missed one of another server that this one published
        // under a smaller number.
        if is_shared && position.since.is_some() {
            self.queue_changed.notify_one();
            self.library_changed.notify_one();
            self.workers_changed.notify_one();
        }
        Subscription { epoch, seq, reader, resync }
    }

    /// Bytes of the newest event with the queue's state.
    pub fn queue_bytes(&self) -> usize {
        self.queue_bytes.load(Ordering::Relaxed)
    }

    /// Number of open connections.
    pub fn readers(&self) -> usize {
        self.lock().readers.iter().filter(|reader| reader.strong_count() > 0).count()
    }

    /// Number of progress events dropped for slow readers since the start.
    pub fn dropped_progress(&self) -> u64 {
        self.dropped_progress.load(Ordering::Relaxed)
    }

    /// Waits until the queue has changed. Changes before the call count as one.
    pub async fn queue_change(&self) {
        self.queue_changed.notified().await;
    }

    /// Waits until the library has changed. Changes before the call count as one.
    pub async fn library_change(&self) {
        self.library_changed.notified().await;
    }

    /// Waits until the servers and workers have changed. Changes before the call count as one.
    pub async fn workers_change(&self) {
        self.workers_changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl store::Subscriber for Hub {
    /// Forgets everything, and ends every connection: the clients connect again, and get what they missed or a `resync`.
    fn log_opened(&self, epoch: &str, seq: u64) {
        let mut state = self.lock();
        let readers = std::mem::take(&mut state.readers);
        *state = State { epoch: epoch.to_owned(), ..State::default() };
        state.numbers.begin_after(seq);
        state.forgotten = state.numbers.newest();
        drop(state);
        readers.iter().filter_map(Weak::upgrade).for_each(|reader| reader.end());
    }

    fn committed(&self, entries: Vec<LogEntry>) {
        let is_queue_changed = entries.iter().any(|entry| entry.change == Change::Queue);
        let mut state = self.lock();
        for LogEntry { seq, change } in entries {
            match change {
                Change::Event { event, .. } => {
                    let seq = state.numbers.advance(seq);
                    self.publish_as(&mut state, seq, event);
                }
                // A mark has a number in the log only.
                Change::Queue if seq.is_some() => _ = state.numbers.advance(seq),
                Change::Queue => {}
            }
        }
        drop(state);
        if is_queue_changed {
            self.queue_changed.notify_one();
        }
    }
}

impl engine::Announce for Hub {
    fn announce(&self, event: Event) {
        self.publish(event);
    }

    fn queue_changed(&self) {
        self.queue_changed.notify_one();
    }

    fn workers_changed(&self) {
        self.workers_changed.notify_one();
    }
}

impl local_studio::Events for Hub {
    fn position(&self) -> (String, u64) {
        self.position()
    }

    fn library_changed(&self) {
        self.library_changed.notify_one();
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

pub fn json(message: &Message) -> Option<axum::extract::ws::Utf8Bytes> {
    match serde_json::to_string(message) {
        Ok(text) => Some(text.into()),
        Err(error) => {
            tracing::error!(%error, "cannot serialize an event");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{FrameId, GenerationIds, GenerationProgress, Queue, TakeId, TaskId};

    fn progress(project: i64, step: u32) -> Event {
        Event::GenerationProgress(GenerationProgress {
            of: GenerationIds {
                task_id: TaskId(project),
                frame_id: FrameId(1),
                project_id: ProjectId(project),
                take_id: TakeId(1),
                attempt: 1,
            },
            step,
            total_steps: 500,
            preview_path: String::new(),
            eta_ms: None,
            waiting_for: None,
        })
    }

    fn state() -> Event {
        Event::QueueUpdated(Queue { paused: false, tasks: vec![] })
    }

    /// The numbers that wait for a reader.
    fn waiting(reader: &Reader) -> Vec<u64> {
        std::iter::from_fn(|| reader.try_next()).filter_map(|entry| entry.seq).collect()
    }

    fn since(hub: &Hub, seq: u64) -> Subscription {
        hub.subscribe(&Position { epoch: Some(hub.position().0), since: Some(seq), project_id: None })
    }

    #[test]
    fn what_was_missed_comes_before_what_follows() {
        let hub = Hub::new();
        (0..5).for_each(|_| hub.publish(state()));
        let subscription = since(&hub, 3);
        hub.publish(state());
        assert_eq!((subscription.seq, subscription.resync), (5, None));
        assert_eq!(waiting(&subscription.reader), [4, 5, 6]);
        assert!(waiting(&hub.subscribe(&Position::default()).reader).is_empty());
    }

    #[test]
    fn events_that_are_no_longer_kept_become_a_resync() {
        let hub = Hub::new();
        (0..HISTORY + 10).for_each(|_| hub.publish(state()));
        assert_eq!(since(&hub, 9).resync, Some("too much has happened since"));
        assert_eq!(since(&hub, 10).resync, None);
        assert!(since(&hub, u64::MAX).resync.is_some());
        let other = Position { epoch: Some("another".into()), since: Some(HISTORY as u64), project_id: None };
        let subscription = hub.subscribe(&other);
        assert!(subscription.resync.is_some() && waiting(&subscription.reader).is_empty());
    }

    #[test]
    fn large_events_are_remembered_by_their_bytes() {
        let hub = Hub::new();
        let large = Event::Resync(protocol::Resync { seq: 1, reason: "x".repeat(HISTORY_BYTES / 8) });
        (0..10).for_each(|_| hub.publish(large.clone()));
        assert_eq!(since(&hub, 1).resync, Some("too much has happened since"));
        assert_eq!(waiting(&since(&hub, 5).reader), [6, 7, 8, 9, 10]);
        assert!(hub.lock().history_bytes <= HISTORY_BYTES);
    }

    /// A queue whose state takes some 300 kB.
    fn large_state() -> Event {
        let task = serde_json::json!({
            "task_id": 1, "project_id": 1, "frame_id": 1, "take_id": 1, "status": "queued", "attempt": 0, "step": 0,
            "total_steps": 1, "eta_ms": null, "preview_path": "", "prompt": "x".repeat(300_000),
        });
        Event::QueueUpdated(Queue { paused: false, tasks: vec![serde_json::from_value(task).expect("a task")] })
    }

    #[test]
    fn a_newer_whole_state_replaces_the_older_where_much_waits() {
        let hub = Hub::new();
        let reader = hub.subscribe(&Position::default()).reader;
        for step in 1..=2000 {
            hub.publish(large_state());
            hub.publish(progress(1, step));
        }
        assert!(reader.bytes() < 3 << 20, "{} bytes wait", reader.bytes());
        let got: Vec<_> = std::iter::from_fn(|| reader.try_next()).collect();
        assert!(got.windows(2).all(|pair| pair[0].seq < pair[1].seq), "in order");
        let newest = got.iter().rev().find(|entry| entry.text.contains("queue_updated")).expect("the queue's state");
        assert_eq!(newest.seq, Some(3999), "the newest state is there");
        assert!(got.iter().any(|entry| entry.seq == Some(4000)));
        assert_eq!(reader.bytes(), 0);
    }

    #[test]
    fn bytes_that_nothing_can_replace_end_the_connection() {
        let hub = Hub::new();
        let reader = hub.subscribe(&Position::default()).reader;
        let large = Event::Resync(protocol::Resync { seq: 1, reason: "x".repeat(4 << 20) });
        (0..20).for_each(|_| hub.publish(large.clone()));
        assert!(reader.bytes() <= 32 << 20);
        assert_eq!(waiting(&reader), [1, 2, 3, 4, 5, 6, 7]);
        assert!(futures::FutureExt::now_or_never(reader.next()).expect("at once").is_err());
    }

    #[test]
    fn what_large_states_replaced_is_no_gap_in_the_history() {
        let hub = Hub::new();
        for step in 1..=1000 {
            hub.publish(large_state());
            hub.publish(progress(1, step));
        }
        let subscription = since(&hub, 10);
        assert_eq!(subscription.resync, None, "1000 states of 300 kB are one to remember");
        let received: Vec<_> = std::iter::from_fn(|| subscription.reader.try_next()).collect();
        assert!(received.windows(2).all(|pair| pair[0].seq < pair[1].seq));
        assert!(received.iter().any(|entry| entry.seq == Some(1999) && entry.text.contains("queue_updated")));
        assert_eq!(received.last().and_then(|entry| entry.seq), Some(2000));
        assert!(hub.lock().history_bytes <= HISTORY_BYTES);
    }

    #[test]
    fn what_an_overrun_reader_gets_ends_at_the_gap() {
        let hub = Hub::new();
        let reader = hub.subscribe(&Position::default()).reader;
        (0..20_000).for_each(|_| hub.publish(state()));
        let first = reader.try_next().and_then(|entry| entry.seq);
        hub.publish(state());
        let rest = waiting(&reader);
        assert_eq!(first, Some(1));
        assert_eq!(rest, (2..=rest.len() as u64 + 1).collect::<Vec<_>>(), "nothing is missing before the end");
        assert!(rest.len() < 20_000);
        assert!(futures::FutureExt::now_or_never(reader.next()).expect("at once").is_err());
    }

    #[test]
    fn a_project_hears_its_own_and_what_concerns_everyone() {
        let hub = Hub::new();
        let position = Position { project_id: Some(ProjectId(2)), ..Position::default() };
        let reader = hub.subscribe(&position).reader;
        hub.publish(progress(1, 1));
        hub.publish(progress(2, 1));
        hub.publish(state());
        assert_eq!(waiting(&reader), [2, 3]);
    }

    #[test]
    fn who_does_not_read_loses_progress_and_never_state_nor_the_last_step() {
        let hub = Hub::new();
        let slow = hub.subscribe(&Position::default()).reader;
        for step in 1..=500 {
            hub.publish(progress(1, step));
            if step % 50 == 0 {
                hub.publish(state());
            }
        }
        let got: Vec<_> = std::iter::from_fn(|| slow.try_next()).collect();
        let states = got.iter().filter(|entry| entry.text.contains("queue_updated")).count();
        assert_eq!(states, 10);
        assert!(got.iter().any(|entry| entry.text.contains("\"step\":500")), "the last step is there");
        assert!(got.len() < 100, "{} entries wait for a reader that reads nothing", got.len());
        assert!(got.windows(2).all(|pair| pair[0].seq < pair[1].seq), "in order");
        assert_eq!(hub.dropped_progress() as usize, 510 - got.len());
    }

    #[test]
    fn many_threads_publish_in_one_order() {
        let hub = Arc::new(Hub::new());
        let reader = hub.subscribe(&Position::default()).reader;
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let hub = Arc::clone(&hub);
                std::thread::spawn(move || (0..50).for_each(|_| hub.publish(state())))
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
        assert_eq!(waiting(&reader), (1..=200).collect::<Vec<_>>());
    }

    #[test]
    fn a_reader_that_is_gone_is_forgotten() {
        let hub = Hub::new();
        let reader = hub.subscribe(&Position::default()).reader;
        assert_eq!(hub.readers(), 1);
        drop(reader);
        hub.publish(state());
        assert_eq!(hub.readers(), 0);
    }
}
