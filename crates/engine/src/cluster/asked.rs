//! What users want of this server's runs through other servers.

use crate::{slot::Slot, slots::Slots};
use std::{collections::HashSet, sync::Arc};
use store::{Asked, RunRequest, Store};

/// Does each request once, however often it is read.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Requests that are done or under way, as long as they are read.
    seen: HashSet<i64>,
    /// Requests that are done, which is not recorded yet.
    done: Vec<i64>,
}

impl Requests {
    /// Does what is wanted. A change is recorded by its attempt, and a pause by the end of the run. A request for an attempt
    /// that is not listed yet waits for the next call.
    pub(super) fn obey(&mut self, slots: &Slots, asked: Vec<Asked>) {
        self.seen.retain(|id| asked.iter().any(|asked| asked.id == *id));
        for Asked { id, run, request } in asked {
            let Some(slot) = slots.get(run.task).filter(|slot| slot.attempt == run.attempt) else { continue };
            if self.seen.insert(id) && is_done_at_once(&slot, id, request) {
                self.done.push(id);
            }
        }
    }

    /// Records what is done. What cannot be recorded now is recorded by the next call.
    pub(super) async fn record(&mut self, store: &Store) {
        if store.requests_done(&self.done).await.is_ok() {
            self.done.clear();
        }
    }
}

fn is_done_at_once(slot: &Arc<Slot>, id: i64, request: RunRequest) -> bool {
    match request {
        RunRequest::Pause => {
            slot.pause();
            false
        }
        // One that has stopped is resumed when the run is over.
        RunRequest::Unpause => slot.unpause(),
        RunRequest::Change(change) => {
            slot.steer.want_for(change, id);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{TaskId, TrackChange};
    use store::Run;

    #[test]
    fn each_request_is_done_once_and_in_order() {
        let (slots, mut requests) = (Slots::default(), Requests::default());
        let asked = |id, attempt, request| Asked { id, run: Run { task: TaskId(1), attempt }, request };
        let pause = asked(1, 2, RunRequest::Pause);
        requests.obey(&slots, vec![pause.clone()]);
        let listed = slots.begin(TaskId(1), 2, "key".into());
        requests.obey(&slots, vec![asked(4, 1, RunRequest::Pause)]);
        assert!(listed.slot.unpause() && !listed.slot.takes_pause(), "of another attempt");
        // The pause is read again with the request that takes it back.
        requests.obey(&slots, vec![pause.clone()]);
        requests.obey(&slots, vec![pause.clone(), asked(2, 2, RunRequest::Unpause)]);
        requests.obey(&slots, vec![pause.clone(), asked(2, 2, RunRequest::Unpause)]);
        assert!(!listed.slot.takes_pause());
        assert_eq!(requests.done, [2]);
        let scale = |cfg_scale| TrackChange { cfg_scale: Some(cfg_scale), ..TrackChange::default() };
        let changes = [3, 5].map(|id| asked(id, 2, RunRequest::Change(scale(f64::from(id as u32)))));
        requests.obey(&slots, changes.to_vec());
        requests.obey(&slots, changes.to_vec());
        let wanted = listed.slot.steer.take().expect("a change");
        assert_eq!((wanted.change, wanted.asked), (scale(5.0), vec![3, 5]));
        requests.obey(&slots, changes.to_vec());
        assert!(listed.slot.steer.take().is_none(), "it is being recorded");
        requests.obey(&slots, vec![asked(6, 2, RunRequest::Pause)]);
        assert!(listed.slot.takes_pause());
        requests.obey(&slots, vec![asked(7, 2, RunRequest::Unpause)]);
        assert_eq!(requests.done, [2], "it has stopped");
    }
}
