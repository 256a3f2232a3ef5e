//! Follows the log.

use super::CHANNEL;
use super::listener::{Listener, Place, TailError};
use super::messages::Messages;
use super::read::{MOST_ROWS, Row, changes_of, rows_query};
use crate::backend::{Reach, postgres::rows};
use crate::changes::Subscriber;
use crate::live::LIVE;
use crate::timing::Counts;
use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::timeout,
};

/// How often the log is read without a notification. PostgreSQL's notifications get lost with a connection, and do not pass
/// through every pooler.
const POLL: Duration = Duration::from_millis(250);

/// The most rows that are read at once.
const BATCH: u64 = 500;

/// Delay between attempts to connect again.
const RETRY: Duration = Duration::from_millis(250);

/// How long a change waits until it is published here. Longer only while the connection is down.
const PUBLISHED: Duration = Duration::from_secs(5);

/// How often old rows are deleted, and how old rows are then, in PostgreSQL's spelling.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
const KEPT_FOR: &str = "15 minutes";

/// Hands every row of the log to the subscriber, in order, until it is dropped.
pub(crate) struct Tail {
    wake: Arc<Notify>,
    /// Whether there may be rows that are not read.
    has_grown: Arc<AtomicBool>,
    published: watch::Receiver<u64>,
    /// When the database last answered.
    answered: Arc<Mutex<Instant>>,
    follower: JoinHandle<()>,
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Tail {
    /// Hands over what the log has, then follows it.
    pub(crate) async fn start(
        database: &str,
        reach: Reach,
        server: &str,
        counts: Arc<Counts>,
        subscriber: Arc<dyn Subscriber>,
    ) -> Result<Self, TailError> {
        let reach = reach.named("emberline (events)");
        let (wake, messages) = (Arc::new(Notify::new()), Arc::new(Messages::of_others(server)));
        let has_grown = Arc::new(AtomicBool::new(true));
        let listener = listen(&reach, &wake, &has_grown, &messages).await?;
        let start = listener.start().await?;
        let (published, receiver) = watch::channel(start.seq);
        let answered = Arc::new(Mutex::new(Instant::now()));
        let mut follower = Follower {
            database: database.to_owned(),
            reach,
            subscriber,
            at: start.clone(),
            published,
            wake: Arc::clone(&wake),
            has_grown: Arc::clone(&has_grown),
            messages,
            progress: HashSet::new(),
            counts,
            is_following: false,
            answered: Arc::clone(&answered),
            read_at: Instant::now(),
            pruned: Instant::now(),
        };
        follower.begin_at(start);
        // The newest step of each run, of which no further message may come for minutes.
        follower.read_progress(&listener).await?;
        follower.hand_over(&listener).await?;
        Ok(Self { wake, has_grown, published: receiver, answered, follower: tokio::spawn(follower.run(listener)) })
    }

    /// Stops following.
    pub(crate) fn end(&self) {
        self.follower.abort();
    }

    /// How long the database has not answered: normally less than the time between two looks.
    pub(crate) fn silence(&self) -> Duration {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Waits until this number is published here: the answer to a request comes after the request's events.
    pub(crate) async fn published(&self, seq: u64) {
        self.has_grown.store(true, Ordering::Relaxed);
        self.wake.notify_one();
        let mut published = self.published.clone();
        // An error: the time is over, or the tail has ended. The change is committed all the same.
        timeout(PUBLISHED, published.wait_for(|newest| *newest >= seq)).await.ok();
    }
}

/// A connection that is notified when the log grows, and of messages.
async fn listen(
    reach: &Reach,
    wake: &Arc<Notify>,
    has_grown: &Arc<AtomicBool>,
    messages: &Arc<Messages>,
) -> Result<Listener, TailError> {
    let (wake, has_grown, messages) = (Arc::clone(wake), Arc::clone(has_grown), Arc::clone(messages));
    let listener = Listener::connect(reach, move |notification| {
        match notification.filter(|notification| notification.channel() == LIVE) {
            Some(message) => messages.add(message.payload()),
            // The log has grown, or the connection is lost.
            None => has_grown.store(true, Ordering::Release),
        }
        wake.notify_one();
    });
    let listener = listener.await?;
    // Behind a pooler the notifications would be those of whoever uses that connection next.
    if !reach.is_pooled {
        listener.query(&format!("LISTEN {CHANNEL}; LISTEN {LIVE}")).await?;
    }
    Ok(listener)
}

struct Follower {
    database: String,
    reach: Reach,
    subscriber: Arc<dyn Subscriber>,
    /// Up to here the rows are handed over.
    at: Place,
    published: watch::Sender<u64>,
    wake: Arc<Notify>,
    has_grown: Arc<AtomicBool>,
    messages: Arc<Messages>,
    /// Messages about steps that were read last, behind a pooler.
    progress: HashSet<String>,
    counts: Arc<Counts>,
    /// Whether the rows from before the start are handed over.
    is_following: bool,
    answered: Arc<Mutex<Instant>>,
    /// When the log was last read.
    read_at: Instant,
    pruned: Instant,
}

impl Follower {
    async fn run(mut self, first: Listener) {
        self.is_following = true;
        let mut listener = first;
        loop {
            let Err(error) = self.follow(&listener).await;
            tracing::warn!(database = self.database, %error, "the connection that follows the events is lost; connecting again");
            self.counts.reconnects.fetch_add(1, Ordering::Relaxed);
            listener = self.connect_again().await;
            tracing::info!(database = self.database, "the events are followed again");
        }
    }

    /// Connects as soon as the database can be reached; every other call reports that it cannot.
    async fn connect_again(&mut self) -> Listener {
        loop {
            tokio::time::sleep(RETRY).await;
            let listener = listen(&self.reach, &self.wake, &self.has_grown, &self.messages).await;
            let Ok(listener) = listener else { continue };
            if self.resume(&listener).await.is_ok() {
                return listener;
            }
        }
    }

    /// Begins again if the rows from here on are not there, or not the same.
    async fn resume(&mut self, listener: &Listener) -> Result<(), TailError> {
        let (head, start) = (listener.head().await?, listener.start().await?);
        let has_all = (start.seq..=head.seq).contains(&self.at.seq);
        if head.epoch != self.at.epoch || !has_all {
            tracing::warn!(database = self.database, "events were missed; clients read everything again");
            self.begin_at(start);
        }
        // Messages were lost meanwhile.
        self.read_progress(listener).await
    }

    /// Hands over rows until the connection is lost.
    async fn follow(&mut self, listener: &Listener) -> Result<Infallible, TailError> {
        loop {
            if self.reach.is_pooled {
                self.read_progress(listener).await?;
            }
            self.hand_over(listener).await?;
            if self.pruned.elapsed() >= PRUNE_EVERY {
                self.pruned = Instant::now();
                listener.query(&prune(self.at.seq)).await?;
            }
            timeout(POLL, self.wake.notified()).await.ok();
        }
    }

    /// Hands over the rows that are there, and then the messages that came before.
    async fn hand_over(&mut self, listener: &Listener) -> Result<(), TailError> {
        // Taken before the rows are read, and handed over after them: the start of an attempt was committed before its steps
        // were sent, but a step that comes while the rows are read may be of a start that is not among them.
        let messages = self.messages.take();
        // PostgreSQL sends notifications in the order of the commits: rows from before the messages were notified before them. A
        // step need not wait for a query that finds nothing.
        if self.has_grown.swap(false, Ordering::Acquire) || self.read_at.elapsed() >= POLL {
            self.read_at = Instant::now();
            while self.hand_over_batch(listener).await? {}
        }
        if !messages.is_empty() {
            self.subscriber.heard(messages);
        }
        Ok(())
    }

    /// Reads the newest steps of other servers' runs, where no notification of them came.
    async fn read_progress(&mut self, listener: &Listener) -> Result<(), TailError> {
        let answer = listener.query("SELECT progress FROM runs WHERE progress IS NOT NULL").await?;
        let now: HashSet<String> = rows(&answer).filter_map(|row| row.get(0).map(str::to_owned)).collect();
        now.difference(&self.progress).for_each(|text| self.messages.add(text));
        self.progress = now;
        Ok(())
    }

    /// Hands over the next rows. Returns whether there may be more.
    async fn hand_over_batch(&mut self, listener: &Listener) -> Result<bool, TailError> {
        let rows = Row::all(&listener.query(&rows_query(self.at.seq, BATCH)).await?);
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(false) };
        if first.seq != self.at.seq + 1 {
            // Those between were pruned while this process did not run: the computer was asleep.
            tracing::warn!(database = self.database, "events were missed; clients read everything again");
            self.begin_at(Place { seq: first.seq - 1, ..self.at.clone() });
        }
        if self.is_following {
            let ages = rows.iter().map(|row| row.age).sum();
            self.counts.event_lag.add(rows.len() as u64, ages);
        }
        let (last, has_more) = (last.seq, rows.len() as u64 == BATCH);
        self.subscriber.committed(changes_of(rows));
        self.at.seq = last;
        self.published.send_replace(last);
        Ok(has_more)
    }

    /// The numbers have another meaning, or rows are missing.
    fn begin_at(&mut self, start: Place) {
        self.subscriber.log_opened(&start.epoch, start.seq);
        self.published.send_replace(start.seq);
        self.at = start;
    }
}

/// Deletes rows that no client asks for any more. Several servers may do it at the same time.
fn prune(newest: u64) -> String {
    let oldest = newest.saturating_sub(MOST_ROWS);
    format!("DELETE FROM events WHERE seq <= {oldest} OR at < clock_timestamp() - interval '{KEPT_FOR}'")
}
