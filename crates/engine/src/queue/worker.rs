//! Worker loop: claims the next queued task and runs it, until the workers are stopped.

use super::{admission::Permit, attempt::Attempt, generate::Outcome, shared::Shared, storing::is_spool_full};
use crate::{retry::Backoff, slots::Listed};
use protocol::{Task, TaskStatus};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use store::{Claim, OpenTask, StoreError};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// How often an idle worker looks at the queue without being woken: another server on the same database may have queued
/// a task.
const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// The worker loop.
pub(crate) fn run(shared: &Shared) {
    let mut failures = ClaimFailures::new();
    while !shared.control.is_stopping() {
        let seen = shared.control.changes();
        if shared.control.is_paused() || is_spool_full(shared.media.pictures()) {
            shared.control.sleep(seen, POLL_INTERVAL);
            continue;
        }
        match take(shared) {
            Ok(taken) => {
                failures.clear();
                match taken {
                    Some(taken) => attempt(shared, taken),
                    None => shared.control.sleep(seen, POLL_INTERVAL),
                }
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                shared.has_lost_claim.store(true, Ordering::Relaxed);
                shared.control.sleep(seen, failures.delay_after(&error));
            }
        }
    }
}

/// Logs a failure to claim tasks once, and the recovery from it once.
struct ClaimFailures {
    logged: Option<String>,
    backoff: Backoff,
}

impl ClaimFailures {
    fn new() -> Self {
        Self { logged: None, backoff: Backoff::new() }
    }

    /// Logs the error if it is new. Returns the delay before the next try.
    fn delay_after(&mut self, error: &StoreError) -> Duration {
        let text = error.to_string();
        if self.logged.as_ref() != Some(&text) {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "no task can be taken from the queue; trying again"
            );
            self.logged = Some(text);
        }
        self.backoff.next()
    }

    fn clear(&mut self) {
        if self.logged.take().is_some() {
            tracing::info!("tasks can be taken from the queue again");
            self.backoff = Backoff::new();
        }
    }
}

/// A claimed task, listed as a running attempt, with its permit.
struct Taken<'a> {
    claimed: OpenTask,
    listed: Listed<'a>,
    _permit: Permit<'a>,
}

/// Claims the next task when it is this worker's turn, to run beside others or alone. None when no task is queued.
fn take(shared: &Shared) -> Result<Option<Taken<'_>>, StoreError> {
    let turn = shared.admission.wait();
    let mut permit = turn.shared();
    let mut began = Instant::now();
    let mut claim = shared.runtime.block_on(claim(shared, false))?;
    if matches!(claim, Claim::Alone) {
        drop(permit);
        permit = turn.exclusive();
        began = Instant::now();
        claim = shared.runtime.block_on(self::claim(shared, true))?;
    }
    let Claim::Task(claimed) = claim else { return Ok(None) };
    // Read by the benchmark `rehearse`.
    tracing::trace!(task.id = %claimed.task.id, took_us = micros(began.elapsed()), "task claimed");
    if let Some(cluster) = &shared.cluster {
        let is_warm = shared.models.loaded().contains(&claimed.task.parameters.model);
        cluster.counts.claimed(began.elapsed(), is_warm, waited(&claimed.task));
    }
    let listed = shared.slots.begin(claimed.task.id, claimed.task.attempt, claimed.key.clone());
    listed.slot.begin_at(claimed.done_steps);
    listed.slot.set_overnight(claimed.task.overnight);
    listed.slot.set_pause_at(claimed.task.pause_at);
    if claimed.keeps {
        listed.slot.keep();
    }
    if let Some(cluster) = &shared.cluster {
        listed.slot.renew(cluster.sure_until(began));
    }
    Ok(Some(Taken { claimed: *claimed, listed, _permit: permit }))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// How long a task was in the queue, if this is its first start.
fn waited(task: &Task) -> Option<Duration> {
    let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let started = task.started_at.as_deref().filter(|_| task.attempt == 1)?;
    Some((time(started)? - time(&task.created_at)?).try_into().unwrap_or_default())
}

async fn claim(shared: &Shared, is_alone: bool) -> Result<Claim, StoreError> {
    if shared.control.is_stopping() {
        return Ok(Claim::Nothing);
    }
    shared.faults.database_error()?;
    if shared.cluster.is_some() {
        shared.store.set_models(shared.models.offers().iter().map(|offer| offer.name.clone()).collect());
        shared.store.set_abilities(shared.protocol, shared.models.files());
    }
    // On PostgreSQL such a task has a run that nobody renews: it is taken up as those of servers that are gone.
    if shared.cluster.is_none() && shared.has_lost_claim.load(Ordering::Relaxed) {
        requeue_unlisted(shared).await?;
        shared.has_lost_claim.store(false, Ordering::Relaxed);
    }
    match is_alone {
        true => Ok(shared.store.claim_task().await?.map_or(Claim::Nothing, |open| Claim::Task(Box::new(open)))),
        // An overnight picture runs beside no other on this device.
        false => shared.store.claim_beside_others(!shared.slots.has_others()).await,
    }
}

/// Requeues tasks that are `running` in the database but have no worker: the connection broke after a claim and before
/// its result arrived.
async fn requeue_unlisted(shared: &Shared) -> Result<(), StoreError> {
    for open in shared.store.interrupted_tasks().await? {
        let id = open.task.id;
        if shared.slots.get(id).is_some() {
            continue;
        }
        tracing::warn!(task.id = %id, "no worker has this task; it is queued again");
        match shared.store.requeue_task(id).await {
            Ok(_) | Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Runs one attempt at a task, from its start to its final event.
fn attempt(shared: &Shared, Taken { claimed, listed, _permit }: Taken<'_>) {
    shared.faults.begin();
    let attempt = Attempt { shared, slot: &listed.slot, task: &claimed.task, take_id: claimed.take_id };
    // A cancellation between the claim and the listing found no attempt to stop.
    if !attempt.is(TaskStatus::Running) || shared.control.is_stopping() {
        return;
    }
    let mut steered = None;
    let outcome = match attempt.is_over() {
        true => Ok(Ok(Outcome::Stopped)),
        false => {
            attempt.log_start();
            catch_unwind(AssertUnwindSafe(|| attempt.generate(&mut steered)))
        }
    };
    // It has another number of steps after `finish_in`.
    let attempt = Attempt { task: steered.as_ref().unwrap_or(&claimed.task), ..attempt };
    let may_be_completed = match outcome {
        Ok(Ok(Outcome::Picture(picture))) => attempt.complete(*picture),
        Ok(Ok(Outcome::Paused(run))) => {
            attempt.pause(&run);
            false
        }
        // [`Attempt::generate`] goes on after a change.
        Ok(Ok(Outcome::Steered(_))) => false,
        // Cancelled: recorded already. Server stopping: the next start runs the task again.
        Ok(Ok(Outcome::Stopped)) => {
            // The benchmark `cancel` measures until here.
            tracing::trace!(task.id = %claimed.task.id, "generation stopped");
            false
        }
        // It was waiting for a temporary error to pass when it was cancelled or the server stopped.
        Ok(Err(error)) if error.waits_for().is_some() && attempt.is_over() => false,
        Ok(Err(error)) => {
            if error.is_of_device() {
                shared.models.unload();
            }
            attempt.fail(error.to_string());
            false
        }
        Err(panic) => {
            let message = panic_message(&*panic);
            tracing::error!(task.id = %claimed.task.id, panic = message, "a generation panicked");
            shared.models.unload();
            attempt.fail(format!("the generation failed unexpectedly: {message}"));
            false
        }
    };
    if listed.slot.is_cancelled() {
        attempt.record_cancellation(may_be_completed);
    }
    shared.media.end_forming_trace(&listed.slot.key);
    drop(listed);
    shared.remove_old_traces();
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
