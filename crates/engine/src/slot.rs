//! Running attempts: their progress, and the signals to stop or keep them. Kept in memory, not in the database.

use crate::steer::Steer;
use protocol::{ModelLoading, TaskId};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// One running attempt at a task.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) task_id: TaskId,
    pub(crate) attempt: u32,
    pub(crate) key: String,
    stopped: AtomicBool,
    keep: AtomicBool,
    overnight: AtomicBool,
    /// Number of steps after which it pauses by itself; 0 if it does not.
    pause_at: AtomicU32,
    pause: Mutex<Pause>,
    pub(crate) steer: Steer,
    /// Whether it was cancelled while the database could not be changed. The attempt records it later.
    cancelled: AtomicBool,
    /// Whether the attempt may write files and publish events; locked while it does.
    open: Mutex<bool>,
    /// Until when this server is sure to hold the run. None where no other server can take it up.
    sure_until: Mutex<Option<Instant>>,
    /// When the database was last asked about the run.
    asked_at: Mutex<Instant>,
    /// Has its own lock, so that a list of tasks does not wait for a picture to be written.
    progress: Mutex<Progress>,
    /// A warning for the user.
    warning: Mutex<Option<String>>,
    /// The model that is being loaded for the attempt.
    loading: Mutex<Option<ModelLoading>>,
    /// Whether the attempt has ended.
    ended: watch::Sender<bool>,
}

/// Whether an attempt should stop between two steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pause {
    #[default]
    No,
    /// It was asked for.
    Wanted,
    /// The sampler has stopped for it.
    Taken,
}

/// Progress of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Number of the attempt, 1 for the first.
    pub attempt: u32,
    /// Steps done whose previews are written.
    pub step: u32,
    /// Remaining time, milliseconds.
    pub eta_ms: Option<u64>,
    /// The temporary error that it waits for, for messages.
    pub waiting_for: Option<&'static str>,
}

impl Progress {
    /// The newer of what is known from the events of all servers and from this server's attempts, which know more about an equal
    /// step: the time left, and what is waited for.
    pub(crate) fn newest(remote: Option<Self>, here: Option<Self>) -> Option<Self> {
        // Of equal ones the last.
        [remote, here].into_iter().flatten().max_by_key(|progress| (progress.attempt, progress.step))
    }
}

impl Slot {
    pub(crate) fn new(task_id: TaskId, attempt: u32, key: String) -> Self {
        let progress = Progress { attempt, ..Progress::default() };
        let (open, progress) = (Mutex::new(true), Mutex::new(progress));
        let (stopped, keep, overnight, pause, cancelled) = Default::default();
        Self {
            task_id,
            attempt,
            key,
            stopped,
            keep,
            overnight,
            pause_at: AtomicU32::new(0),
            pause,
            steer: Steer::new(),
            cancelled,
            open,
            sure_until: Mutex::default(),
            asked_at: Mutex::new(Instant::now()),
            progress,
            warning: Mutex::default(),
            loading: Mutex::default(),
            ended: watch::Sender::new(false),
        }
    }

    /// Whether the sampler should stop without a picture.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Whether the sampler should stop and return its current estimate.
    pub(crate) fn is_kept(&self) -> bool {
        self.keep.load(Ordering::Relaxed)
    }

    /// Asks the sampler to stop and return its current estimate.
    pub(crate) fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }

    /// Whether the attempt steps aside for others.
    pub(crate) fn is_overnight(&self) -> bool {
        self.overnight.load(Ordering::Relaxed)
    }

    /// Sets whether the attempt steps aside for others, before it runs.
    pub(crate) fn set_overnight(&self, overnight: bool) {
        self.overnight.store(overnight, Ordering::Relaxed);
    }

    /// Whether the attempt pauses by itself when so many steps are done. Also after more of them: the server may have ended
    /// between the step and the pause.
    pub(crate) fn pauses_after(&self, done: u32) -> bool {
        let at = self.pause_at.load(Ordering::Relaxed);
        at > 0 && done >= at && !self.is_kept()
    }

    /// Sets the number of steps after which it pauses by itself; none if it does not.
    pub(crate) fn set_pause_at(&self, step: Option<u32>) {
        self.pause_at.store(step.unwrap_or_default(), Ordering::Relaxed);
    }

    /// Asks the sampler to stop before its next step.
    pub(crate) fn pause(&self) {
        let mut pause = self.lock_pause();
        if *pause == Pause::No {
            *pause = Pause::Wanted;
        }
    }

    /// Takes back [`Slot::pause`]. Returns whether the sampler goes on: false if it has stopped already.
    pub(crate) fn unpause(&self) -> bool {
        let mut pause = self.lock_pause();
        if *pause == Pause::Wanted {
            *pause = Pause::No;
        }
        *pause == Pause::No
    }

    /// Whether the sampler should stop now. After true the pause cannot be taken back.
    pub(crate) fn takes_pause(&self) -> bool {
        let mut pause = self.lock_pause();
        if *pause == Pause::Wanted {
            *pause = Pause::Taken;
        }
        *pause == Pause::Taken
    }

    fn lock_pause(&self) -> MutexGuard<'_, Pause> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the step that an attempt goes on from, before it runs.
    pub(crate) fn begin_at(&self, step: u32) {
        self.lock_progress().step = step;
    }

    /// Asks the sampler to stop. Files and events are allowed until [`Slot::close`].
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Asks the sampler to stop, and the attempt to record its cancellation once the database can be changed.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.stop();
    }

    /// Whether the attempt should record its cancellation.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Stops the attempt. After this returns, it writes no file and publishes no event, so the caller may remove its files.
    /// Waits for a file that is being written. Returns whether this call has closed it.
    pub(crate) fn close(&self) -> bool {
        self.stop();
        std::mem::replace(&mut *self.lock(), false)
    }

    /// Notes that the database was asked about the run just now.
    pub(crate) fn set_asked(&self) {
        *self.asked_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long ago the database was asked about the run.
    pub(crate) fn unasked_for(&self) -> Duration {
        self.asked_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// The run is this server's until then at least. Without a further call nothing is written or published afterwards.
    pub(crate) fn renew(&self, until: Instant) {
        *self.sure_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// Whether another server may have taken the task up: the run could not be renewed, or this process was stopped.
    fn is_unsure(&self) -> bool {
        let sure_until = *self.sure_until.lock().unwrap_or_else(PoisonError::into_inner);
        sure_until.is_some_and(|until| Instant::now() >= until)
    }

    /// Runs `action` unless the slot is closed or the run may be another server's. The slot cannot be closed meanwhile.
    pub(crate) fn if_open<T>(&self, action: impl FnOnce() -> T) -> Option<T> {
        let open = self.lock();
        (*open && !self.is_unsure()).then(action)
    }

    /// Records a step whose preview is written, and publishes it unless the slot is closed or the run may be another server's.
    pub(crate) fn advance(&self, step: u32, eta_ms: Option<u64>, publish: impl FnOnce(Progress)) {
        let open = self.lock();
        if *open && !self.is_unsure() {
            let progress = Progress { attempt: self.attempt, step, eta_ms, waiting_for: None };
            *self.lock_progress() = progress;
            publish(progress);
        }
    }

    /// Records the temporary error that the attempt waits for (none: it goes on), and publishes it unless the slot is
    /// closed.
    pub(crate) fn wait_for(&self, reason: Option<&'static str>, publish: impl FnOnce(Progress)) {
        let open = self.lock();
        if *open {
            let now = {
                let mut progress = self.lock_progress();
                (progress.eta_ms, progress.waiting_for) = (None, reason);
                *progress
            };
            if !self.is_unsure() {
                publish(now);
            }
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        *self.lock_progress()
    }

    /// Sets the warning for the user.
    pub(crate) fn warn(&self, why: String) {
        *self.warning.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    pub(crate) fn warning(&self) -> Option<String> {
        self.warning.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the model that is being loaded; none when it is loaded. Returns whether that changed anything.
    pub(crate) fn set_loading(&self, now: Option<ModelLoading>) -> bool {
        let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *loading != now;
        *loading = now;
        changed
    }

    pub(crate) fn loading(&self) -> Option<ModelLoading> {
        self.loading.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the attempt has ended, but no longer than `at_most`.
    pub(crate) async fn wait_for_end(&self, at_most: Duration) {
        let mut ended = self.ended.subscribe();
        // An error is the timeout. The sender lives as long as `self`.
        tokio::time::timeout(at_most, ended.wait_for(|ended| *ended)).await.ok();
    }

    /// Says that the attempt has ended.
    pub(crate) fn end(&self) {
        self.ended.send_replace(true);
    }

    fn lock_progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
