//! How a worker with nothing to do hears that a task waits.
//!
//! PostgreSQL wakes every connection that listens for every notification, whatever its channel is. So a worker listens only while
//! it has nothing to do. Its row says so, with its models, and a change of the queue notifies a few of those that could start a
//! waiting task: a hundred that all asked would wait for each other. A claim is such a change, too, so that many tasks wake many.

use super::listener::{Listener, TailError};
use crate::backend::{Reach, postgres::rows};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Mutex, Notify},
    time::timeout,
};

/// Notifies up to three workers that have nothing to do and could start a task that waits.
///
/// More than a thousand waiting tasks are not looked through for their models.
pub(super) const WAKE: &str = "\
    SELECT pg_notify('emberline_' || named.id, '') FROM ( \
        SELECT s.id FROM servers s WHERE s.waits IS NOT NULL AND NOT s.draining AND s.lease_until > clock_timestamp() \
            AND EXISTS (SELECT FROM (SELECT t.model FROM tasks t WHERE t.status = 'queued' AND NOT t.paused LIMIT 1000) w \
                WHERE w.model IS NULL OR w.model = ANY (s.waits)) \
        ORDER BY random() LIMIT 3) named";

/// How often it is looked whether the log has grown, in case that a notification was lost or named others; and where none come.
/// The first is spread, so that workers that begin together do not look together.
const LOOK: Duration = Duration::from_secs(2);
const LOOK_POOLED: Duration = Duration::from_millis(250);

/// What a process that has nothing to do listens with.
#[derive(Default)]
pub(crate) struct WakeUps {
    waiting: Mutex<Waiting>,
    heard: Arc<Notify>,
}

#[derive(Default)]
struct Waiting {
    listener: Option<Listener>,
    /// The models with which it is marked as waiting; none while it is not.
    models: Option<Vec<String>>,
    /// The log's newest number when it was last looked at.
    head: u64,
    next_look: Option<Instant>,
}

/// What is lost in a crash of the database is only who waits: each says it again.
const UNSYNCED: &str = "SET LOCAL synchronous_commit = off; ";

impl WakeUps {
    /// Waits at most `at_most` for a sign that a task waits which this process, with these models, could start. Returns whether
    /// there is one. The first call after [`WakeUps::end`] is.
    pub(crate) async fn expect(
        &self,
        reach: &Reach,
        id: &str,
        models: Vec<String>,
        at_most: Duration,
    ) -> Result<bool, TailError> {
        let mut waiting = self.waiting.lock().await;
        let seen = waiting.expect(reach, &self.heard, id, models, at_most).await;
        if seen.is_err() {
            // The next call connects again.
            *waiting = Waiting::default();
        }
        seen
    }

    /// Listens no more.
    pub(crate) async fn end(&self, reach: &Reach, id: &str) -> Result<(), TailError> {
        let mut waiting = self.waiting.lock().await;
        let Some((_, listener)) = waiting.models.take().zip(waiting.listener.as_ref()) else { return Ok(()) };
        let unlisten = if reach.is_pooled { "" } else { "UNLISTEN *; " };
        let end =
            format!("{UNSYNCED}{unlisten}UPDATE servers SET waits = NULL WHERE id = '{id}' AND waits IS NOT NULL");
        let ended = listener.query(&end).await.map(drop);
        if ended.is_err() {
            waiting.listener = None;
        }
        ended
    }
}

impl Waiting {
    async fn expect(
        &mut self,
        reach: &Reach,
        heard: &Arc<Notify>,
        id: &str,
        models: Vec<String>,
        at_most: Duration,
    ) -> Result<bool, TailError> {
        if self.models.as_ref() != Some(&models) {
            self.begin(reach, heard, id, models).await?;
            return Ok(true);
        }
        let is_named = timeout(at_most, heard.notified()).await.is_ok();
        if is_named && !self.listener.as_ref().is_some_and(Listener::is_lost) {
            return Ok(true);
        }
        match self.next_look.is_some_and(|at| Instant::now() < at) && !is_named {
            true => Ok(false),
            false => self.look(reach, id).await,
        }
    }

    async fn begin(
        &mut self,
        reach: &Reach,
        heard: &Arc<Notify>,
        id: &str,
        models: Vec<String>,
    ) -> Result<(), TailError> {
        if self.listener.as_ref().is_none_or(Listener::is_lost) {
            let (reach, heard) = (reach.clone().named("emberline (wake-ups)"), Arc::clone(heard));
            self.listener = Some(Listener::connect(&reach, move |_| heard.notify_one()).await?);
        }
        if let Some(listener) = self.listener.as_ref().filter(|_| !reach.is_pooled) {
            listener.query(&format!("LISTEN emberline_{id}")).await?;
        }
        self.models = Some(models);
        // After this a change names this process.
        self.look(reach, id).await.map(drop)
    }

    /// Marks the process as waiting, if it is not. Returns whether the log has grown since the last look.
    async fn look(&mut self, reach: &Reach, id: &str) -> Result<bool, TailError> {
        let (Some(listener), Some(models)) = (&self.listener, &self.models) else { return Ok(false) };
        let models: Vec<String> = models.iter().map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
        let models = format!("ARRAY[{}]::text[]", models.join(", "));
        let look = format!(
            "{UNSYNCED}UPDATE servers SET waits = {models} WHERE id = '{id}' AND waits IS DISTINCT FROM {models}; \
             SELECT seq FROM event_head"
        );
        let answer = listener.query(&look).await?;
        let head = rows(&answer).find_map(|row| row.get(0)?.parse().ok()).ok_or(TailError::NoHead)?;
        let pause = if reach.is_pooled { LOOK_POOLED } else { LOOK.mul_f64(0.75 + rand::random::<f64>() / 2.0) };
        self.next_look = Some(Instant::now() + pause);
        Ok(std::mem::replace(&mut self.head, head) != head)
    }
}
