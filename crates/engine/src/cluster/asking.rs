//! What others want of the runs of a process that does not hear their messages.

use super::{Cluster, run_of};
use crate::slot::Slot;
use std::{collections::HashMap, sync::Arc, time::Duration};
use store::{Run, RunsNow, Wishes};

/// How long nothing is asked about a run, at most: a cancelled picture goes on for that long. The report of a step asks, too.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How often it is looked whether it is time to ask.
const LOOK: Duration = Duration::from_millis(25);
/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Asks until the task is aborted. Calls `wake` when an overnight picture has to look at the queue.
pub(crate) async fn ask(cluster: Arc<Cluster>, wake: impl Fn() + Send) {
    let mut log = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        let is_due = |slot: &Arc<Slot>| !slot.is_stopped() && slot.unasked_for() >= ASK_EVERY;
        let slots: Vec<_> = cluster.slots.all().into_iter().filter(is_due).collect();
        if slots.is_empty() {
            continue;
        }
        let runs: Vec<Run> = slots.iter().map(|slot| run_of(slot)).collect();
        match cluster.store.ask_about_runs(&runs, ANSWER).await {
            Ok(RunsNow { wishes, log: now }) => {
                settle(&cluster, &slots, wishes.into_iter().collect()).await;
                if std::mem::replace(&mut log, now) != now && slots.iter().any(|slot| slot.is_overnight()) {
                    wake();
                }
            }
            // The renewals of leases log that the database is away.
            Err(_) => slots.iter().for_each(|slot| slot.set_asked()),
        }
    }
}

async fn settle(cluster: &Cluster, slots: &[Arc<Slot>], wishes: HashMap<Run, Wishes>) {
    for slot in slots {
        match wishes.get(&run_of(slot)) {
            Some(wishes) => cluster.heed(slot, *wishes),
            None => cluster.give_up(slot).await,
        }
    }
}
