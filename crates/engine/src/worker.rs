//! A worker: takes the next queued task, makes its picture, publishes what happens, and takes the next.

use crate::{attempt::Attempt, engine::Shared, generate::Made, passing::Backoff, slot::Listed, turn::Turn};
use protocol::TaskStatus;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::Ordering,
    time::Duration,
};
use store::{Claim, OpenTask, StoreError};

/// How long a worker rests before it looks into the queue unasked: on one database another server may have
/// queued a task.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A worker's life.
pub(crate) fn run(shared: &Shared) {
    let mut trouble = Trouble::new();
    while !shared.alarm.is_stopping() {
        let seen = shared.alarm.rings();
        if shared.alarm.is_paused() {
            shared.alarm.sleep(seen, LOOK_EVERY);
            continue;
        }
        match take(shared) {
            Ok(taken) => {
                trouble.is_over();
                match taken {
                    Some(taken) => attempt(shared, taken),
                    None => shared.alarm.sleep(seen, LOOK_EVERY),
                }
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                shared.is_unsettled.store(true, Ordering::Relaxed);
                shared.alarm.sleep(seen, trouble.rest_after(&error));
            }
        }
    }
}

/// Says once that the queue cannot be read, and once that it can again.
struct Trouble {
    said: Option<String>,
    backoff: Backoff,
}

impl Trouble {
    fn new() -> Self {
        Self { said: None, backoff: Backoff::new() }
    }

    fn rest_after(&mut self, error: &StoreError) -> Duration {
        let text = error.to_string();
        if self.said.as_ref() != Some(&text) {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "no task can be taken from the queue; trying again"
            );
            self.said = Some(text);
        }
        self.backoff.next()
    }

    fn is_over(&mut self) {
        if self.said.take().is_some() {
            tracing::info!("tasks can be taken from the queue again");
            self.backoff = Backoff::new();
        }
    }
}

/// A task that this worker has, listed as its attempt, with its turn.
struct Taken<'a> {
    claimed: OpenTask,
    listed: Listed<'a>,
    _turn: Turn<'a>,
}

/// Takes the next task once it is this worker's turn: beside others, or alone.
fn take(shared: &Shared) -> Result<Option<Taken<'_>>, StoreError> {
    let door = shared.turns.wait();
    let mut turn = door.beside();
    let mut claim = shared.runtime.block_on(claim(shared, false))?;
    if matches!(claim, Claim::Alone) {
        drop(turn);
        turn = door.alone();
        claim = shared.runtime.block_on(self::claim(shared, true))?;
    }
    let Claim::Task(claimed) = claim else { return Ok(None) };
    let listed = shared.slots.begin(claimed.task.id, claimed.task.attempt, claimed.key.clone());
    Ok(Some(Taken { claimed: *claimed, listed, _turn: turn }))
}

async fn claim(shared: &Shared, is_alone: bool) -> Result<Claim, StoreError> {
    if shared.alarm.is_stopping() {
        return Ok(Claim::Nothing);
    }
    let _told = shared.claims.write().await;
    shared.fault.changing()?;
    if shared.is_unsettled.load(Ordering::Relaxed) {
        requeue_unlisted(shared).await?;
        shared.is_unsettled.store(false, Ordering::Relaxed);
    }
    match is_alone {
        true => Ok(shared.store.claim_task().await?.map_or(Claim::Nothing, |open| Claim::Task(Box::new(open)))),
        false => shared.store.claim_beside_others().await,
    }
}

/// Queues again what runs by the database and by no worker: a claim whose answer was lost with the connection.
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

/// One attempt at a task, from its start to its event.
fn attempt(shared: &Shared, Taken { claimed, listed, _turn }: Taken<'_>) {
    shared.fault.begin();
    let attempt = Attempt { shared, slot: &listed.slot, task: &claimed.task, take_id: claimed.take_id };
    // Cancelled between being taken and being listed: whoever did it found no attempt to silence.
    if !attempt.is(TaskStatus::Running) || shared.alarm.is_stopping() {
        return;
    }
    let made = match attempt.is_over() {
        true => Ok(Ok(Made::Stopped)),
        false => {
            attempt.start();
            catch_unwind(AssertUnwindSafe(|| attempt.make()))
        }
    };
    let may_be_completed = match made {
        Ok(Ok(Made::Picture(picture))) => attempt.complete(*picture),
        // By a person: told already. By the server's end: the next start takes it up again.
        Ok(Ok(Made::Stopped)) => false,
        // It waited for something, and was not waited for.
        Ok(Err(fault)) if fault.waits_for().is_some() && attempt.is_over() => false,
        Ok(Err(fault)) => {
            if fault.is_of_device() {
                shared.models.forget();
            }
            attempt.fail(fault.to_string());
            false
        }
        Err(panic) => {
            let message = panic_message(&*panic);
            tracing::error!(task.id = %claimed.task.id, panic = message, "a generation panicked");
            shared.models.forget();
            attempt.fail(format!("the generation failed unexpectedly: {message}"));
            false
        }
    };
    if listed.slot.is_cancelled() {
        attempt.record_cancellation(may_be_completed);
    }
    drop(listed);
    shared.announce.queue_changed();
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
