//! Renews the leases of this server's runs, and takes up those of servers that are gone.

use super::{Cluster, asked::Requests, run_of};
use crate::slot::Slot;
use std::{
    collections::HashMap,
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};
use store::{Kept, Renewed, Run, RunEnd, StoreError};
use tokio::task::JoinHandle;

/// Renewals in the time of a lease: seven may be lost.
const RENEWALS: u32 = 8;

/// How long a stopping server tries to give its runs back. They are taken up anyway when their leases are over.
const GIVE_BACK: Duration = Duration::from_secs(3);

/// Until when this server is sure of a run whose lease was renewed by a call that began at `began`. The lease began at that
/// time or later. The last quarter of it is left for a write that is under way: it must not end after the lease.
pub(super) fn sure_until(began: Instant, lease: Duration) -> Instant {
    began + lease * 3 / 4
}

/// How long the database has answered without a break.
struct Contact {
    since: Option<Instant>,
    newest: Instant,
}

impl Contact {
    fn new() -> Self {
        Self { since: None, newest: Instant::now() }
    }

    /// Notes an answer. A long time without one is a break, also when no call failed: this process may have been stopped.
    fn answered(&mut self, now: Instant, lease: Duration) {
        if self.since.is_none() || now.duration_since(self.newest) > lease / 2 {
            self.since = Some(now);
        }
        self.newest = now;
    }

    fn lost(&mut self) {
        self.since = None;
    }

    /// Whether leases that are over mean that their servers are gone. After an outage of the database all leases are over, and
    /// the servers renew them first.
    fn is_steady(&self, lease: Duration) -> bool {
        self.since.is_some_and(|since| self.newest.duration_since(since) >= lease * 2)
    }
}

/// Renews until the task is aborted.
pub(crate) async fn keep_leases(cluster: Arc<Cluster>) {
    let lease = cluster.store.lease();
    let (mut contact, mut is_lost, mut sweep) = (Contact::new(), false, None::<JoinHandle<()>>);
    let mut requests = Requests::default();
    loop {
        let (began, slots) = (Instant::now(), cluster.slots.all());
        let runs: Vec<Run> = slots.iter().map(|slot| run_of(slot)).collect();
        match cluster.store.renew_runs(&runs, lease / 4).await {
            Ok(Renewed { mine, expired, asked }) => {
                settle(&cluster, &slots, &mine, sure_until(began, lease)).await;
                requests.obey(&cluster.slots, asked);
                requests.record(&cluster.store).await;
                let now = Instant::now();
                contact.answered(now, lease);
                if std::mem::take(&mut is_lost) {
                    tracing::info!("the runs of this server are renewed again");
                }
                let is_idle = sweep.as_ref().is_none_or(JoinHandle::is_finished);
                if !expired.is_empty() && contact.is_steady(lease) && is_idle {
                    sweep = Some(tokio::spawn(take_up(Arc::clone(&cluster), expired)));
                }
            }
            Err(error) => {
                contact.lost();
                if !std::mem::replace(&mut is_lost, true) {
                    let error = &error as &dyn Error;
                    tracing::warn!(
                        error,
                        "the runs of this server cannot be renewed; they go on, and nothing is shown meanwhile"
                    );
                }
            }
        }
        // An error is the time for the next renewal.
        tokio::time::timeout(lease / RENEWALS, cluster.asked.notified()).await.ok();
    }
}

/// Closes the attempts whose runs are over: they were cancelled, or this server was away and another one has taken them up.
async fn settle(cluster: &Cluster, slots: &[Arc<Slot>], mine: &[(Run, Kept)], until: Instant) {
    for slot in over(slots, mine, until) {
        cluster.give_up(slot).await;
    }
}

/// Renews the attempts whose runs are this process's. Returns the others.
fn over<'a>(slots: &'a [Arc<Slot>], mine: &[(Run, Kept)], until: Instant) -> Vec<&'a Arc<Slot>> {
    let mine: HashMap<Run, Kept> = mine.iter().copied().collect();
    let is_over = |slot: &&Arc<Slot>| match mine.get(&run_of(slot)) {
        Some(is_kept) => {
            slot.renew(until);
            if *is_kept {
                slot.keep();
            }
            false
        }
        None => true,
    };
    slots.iter().filter(is_over).collect()
}

/// Queues the tasks of servers that are gone again.
async fn take_up(cluster: Arc<Cluster>, expired: Vec<Run>) {
    let fails = cluster.fails().await;
    for run in expired {
        let ended = cluster.store.end_expired_run(run, fails.clone()).await;
        if matches!(ended, Ok(RunEnd::Queued | RunEnd::Failed)) {
            cluster.counts.expired();
        }
        match ended {
            Ok(RunEnd::Queued) => {
                tracing::warn!(task.id = %run.task, attempt = run.attempt, "the server of this task is gone; it is queued again")
            }
            Ok(RunEnd::Failed) => {
                tracing::warn!(task.id = %run.task, attempt = run.attempt, "the server of this task is gone; it is marked failed")
            }
            // Renewed, ended, or taken up by another server.
            Ok(RunEnd::No) => {}
            Err(error) => return log_untaken(run, &error),
        }
    }
}

fn log_untaken(run: Run, error: &StoreError) {
    let error = error as &dyn Error;
    tracing::warn!(task.id = %run.task, error, "the task of a server that is gone cannot be queued again; trying again");
}

/// Gives the runs back that this server has not finished, so that another one begins them at once, and leaves the list of
/// servers.
pub(crate) async fn give_back(cluster: &Cluster) {
    let give_back = async {
        let fails = cluster.fails().await;
        for run in cluster.store.own_runs().await? {
            cluster.store.give_back_run(run, fails.clone()).await?;
        }
        cluster.store.unregister().await
    };
    match tokio::time::timeout(GIVE_BACK, give_back).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn Error, "runs could not be given back; other servers take them up")
        }
        Err(_) => tracing::warn!("the database did not answer in time; other servers take the runs up"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::Slots;
    use protocol::TaskId;

    const LEASE: Duration = Duration::from_secs(8);

    #[test]
    fn leases_are_judged_after_two_of_their_times_without_a_break() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut contact = Contact::new();
        (0..16).for_each(|second| contact.answered(at(second), LEASE));
        assert!(!contact.is_steady(LEASE), "15 s");
        contact.answered(at(16), LEASE);
        assert!(contact.is_steady(LEASE), "16 s");
        contact.answered(at(20), LEASE);
        assert!(contact.is_steady(LEASE), "four renewals were late");
        contact.answered(at(25), LEASE);
        assert!(!contact.is_steady(LEASE), "it was stopped for 5 s");
        (26..42).for_each(|second| contact.answered(at(second), LEASE));
        assert!(contact.is_steady(LEASE));
        contact.lost();
        contact.answered(at(42), LEASE);
        assert!(!contact.is_steady(LEASE), "the database was away");
    }

    #[test]
    fn an_attempt_whose_run_is_over_is_closed_and_the_others_are_renewed() {
        let slots = Slots::default();
        let listed = [slots.begin(TaskId(1), 1, "a".into()), slots.begin(TaskId(2), 3, "b".into())];
        let soon = Instant::now() + LEASE;
        listed.iter().for_each(|listed| listed.slot.renew(Instant::now()));
        assert!(listed.iter().all(|listed| listed.slot.if_open(|| ()).is_none()), "nothing is sure any more");
        let mine = [(Run { task: TaskId(1), attempt: 1 }, true), (Run { task: TaskId(2), attempt: 4 }, false)];
        let slots = listed.each_ref().map(|listed| Arc::clone(&listed.slot));
        over(&slots, &mine, soon).iter().for_each(|slot| _ = slot.close());
        let state = |n: usize| {
            let slot = &listed[n].slot;
            (slot.if_open(|| ()).is_some(), slot.is_kept(), slot.is_stopped())
        };
        assert_eq!((state(0), state(1)), ((true, true, false), (false, false, true)));
    }
}
