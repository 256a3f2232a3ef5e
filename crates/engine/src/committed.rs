//! What the engine does about committed changes before clients hear of them.

use crate::{Announce, Media, cluster::Remote, queue::Control, slots::Slots};
use protocol::{Event, GenerationIds};
use std::sync::Arc;
use store::{Change, Live, LogEntry, Run, Subscriber};
use tokio::sync::Notify;

/// Receives the store's changes for the engine, and passes them on.
///
/// Holds no store: the store holds this.
pub(crate) struct Committed {
    pub(crate) slots: Arc<Slots>,
    pub(crate) control: Arc<Control>,
    pub(crate) media: Arc<Media>,
    pub(crate) remote: Arc<Remote>,
    /// Notified when there is a request about one of this server's runs.
    pub(crate) asked: Arc<Notify>,
    pub(crate) announce: Arc<dyn Announce>,
}

impl Subscriber for Committed {
    fn log_opened(&self, epoch: &str, seq: u64) {
        self.announce.log_opened(epoch, seq);
    }

    /// An attempt that has ended without a picture publishes and writes nothing from here on, and its file is removed.
    /// Then clients hear of it, and the workers look at the queue.
    fn committed(&self, entries: Vec<LogEntry>) {
        for entry in &entries {
            let Change::Event { event, deleted_take } = &entry.change else { continue };
            if let Some(of) = lost_attempt(event) {
                self.close(of);
            }
            self.remote.note(event);
            if let Some(key) = deleted_take {
                self.remove(key);
            }
        }
        let is_queue_changed = entries.iter().any(|entry| entry.change == Change::Queue);
        self.announce.committed(entries);
        if is_queue_changed {
            self.control.wake();
        }
    }

    /// Passes the steps of other servers on, and hears of what other servers were asked for.
    fn heard(&self, messages: Vec<Live>) {
        for message in messages {
            match message {
                Live::Progress { event, .. } => {
                    if self.remote.advance(&event) {
                        self.announce.announce(Event::GenerationProgress(event));
                    }
                }
                Live::Keep(Run { task, attempt }) => {
                    if let Some(slot) = self.slots.get(task).filter(|slot| slot.attempt == attempt) {
                        slot.keep();
                    }
                }
                Live::Asked(Run { task, .. }) => {
                    if self.slots.get(task).is_some() {
                        self.asked.notify_one();
                    }
                }
            }
        }
    }
}

impl Committed {
    fn close(&self, of: &GenerationIds) {
        // A later attempt at the same task may be listed already.
        if let Some(slot) = self.slots.get(of.task_id).filter(|slot| slot.attempt <= of.attempt) {
            slot.close();
        }
    }

    fn remove(&self, key: &str) {
        if let Err(error) = self.media.remove(key) {
            tracing::warn!(key, %error, "a picture could not be removed; the next start removes it");
        }
    }
}

/// The attempt that ended without a picture.
fn lost_attempt(event: &Event) -> Option<&GenerationIds> {
    match event {
        Event::GenerationFailed(it) => Some(&it.of),
        Event::GenerationCancelled(it) => Some(&it.of),
        Event::GenerationInterrupted(it) => Some(&it.of),
        Event::GenerationPaused(it) => Some(&it.of),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{FrameId, GenerationCancelled, ProjectId, TakeId, TaskId};
    use std::sync::Mutex;

    const KEY: &str = "0123456789abcdef";

    /// Writes down, for each event, whether the file was still there and whether the attempt could still write.
    struct Client {
        media: Arc<Media>,
        slots: Arc<Slots>,
        saw: Mutex<Vec<(bool, bool)>>,
    }

    impl Subscriber for Client {
        fn log_opened(&self, _: &str, _: u64) {}

        fn committed(&self, entries: Vec<LogEntry>) {
            let has_file = self.media.read(KEY).is_ok();
            let is_open = self.slots.get(TaskId(1)).is_some_and(|slot| slot.if_open(|| ()).is_some());
            self.saw.lock().expect("unpoisoned").extend(entries.iter().map(|_| (has_file, is_open)));
        }
    }

    impl Announce for Client {
        fn announce(&self, _: Event) {}
        fn queue_changed(&self) {}
        fn workers_changed(&self) {}
    }

    fn entry(change: Change) -> LogEntry {
        LogEntry { seq: None, change }
    }

    fn cancelled(attempt: u32) -> LogEntry {
        let (task_id, frame_id, project_id, take_id) = (TaskId(1), FrameId(1), ProjectId(1), TakeId(1));
        let of = GenerationIds { task_id, frame_id, project_id, take_id, attempt };
        let event = Event::GenerationCancelled(GenerationCancelled { of, frame_removed: false, frame: None });
        entry(Change::Event { event, deleted_take: (attempt == 2).then(|| KEY.to_owned()) })
    }

    #[test]
    fn a_cancelled_attempt_is_closed_and_its_file_gone_before_clients_hear_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let media = Arc::new(Media::open(folder.path()).expect("opens"));
        media.write_preview(KEY, b"a preview").expect("written");
        let (slots, control) = (Arc::new(Slots::default()), Arc::new(Control::new(false)));
        let client = Arc::new(Client { media: media.clone(), slots: slots.clone(), saw: Mutex::default() });
        let (remote, asked) = Default::default();
        let announce = client.clone();
        let committed = Committed { slots: slots.clone(), control: control.clone(), media, remote, asked, announce };
        let _listed = slots.begin(TaskId(1), 2, KEY.to_owned());
        committed.committed(vec![cancelled(1)]);
        assert_eq!(*client.saw.lock().expect("unpoisoned"), [(true, true)], "an earlier attempt was cancelled");
        let before = control.changes();
        committed.committed(vec![cancelled(2), entry(Change::Queue)]);
        assert_eq!(client.saw.lock().expect("unpoisoned")[1..], [(false, false), (false, false)]);
        assert_eq!(control.changes(), before + 1, "the workers look at the queue");
    }
}
