//! Where events are numbered and handed to every connection.

use protocol::{Event, Hello, Message, Metrics};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::broadcast;

/// Events that a connection may lag behind before it is closed (its client then asks for the state anew).
const BACKLOG: usize = 1024;

/// Numbers events and hands them out. Publishing never waits for a reader.
#[derive(Debug)]
pub struct Hub {
    epoch: String,
    // Held while an event is sent too, so that every reader sees `seq` grow.
    seq: Mutex<u64>,
    sender: broadcast::Sender<Arc<str>>,
}

impl Hub {
    /// A hub whose epoch names this moment and process.
    pub fn new() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch = format!("{:x}-{:x}", since_1970.as_nanos(), std::process::id());
        Self { epoch, seq: Mutex::new(0), sender: broadcast::channel(BACKLOG).0 }
    }

    /// Sends an event to whoever listens.
    pub fn publish(&self, event: Event) {
        let mut seq = self.seq.lock().unwrap_or_else(PoisonError::into_inner);
        *seq += 1;
        self.send(Message { seq: Some(*seq), event });
    }

    /// Sends the machine's state; it carries no `seq`.
    pub fn publish_metrics(&self, metrics: Metrics) {
        self.send(Message { seq: None, event: Event::Metrics(metrics) });
    }

    fn send(&self, message: Message) {
        match serde_json::to_string(&message) {
            // An error here means that nobody listens.
            Ok(text) => drop(self.sender.send(text.into())),
            Err(error) => tracing::error!(%error, "an event could not be written as JSON"),
        }
    }

    /// A reader's greeting, and everything that is sent after the moment that it describes.
    pub fn subscribe(&self) -> (Message, broadcast::Receiver<Arc<str>>) {
        let seq = self.seq.lock().unwrap_or_else(PoisonError::into_inner);
        let hello = Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch: self.epoch.clone(),
            seq: *seq,
            tasks: Vec::new(),
        };
        (Message { seq: None, event: Event::Hello(hello) }, self.sender.subscribe())
    }

    /// Whether anyone listens.
    pub fn has_readers(&self) -> bool {
        self.sender.receiver_count() > 0
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{Project, ProjectId, ProjectUpdated};

    fn event() -> Event {
        let project = Project {
            id: ProjectId(1),
            name: "Storm".into(),
            width: 64,
            height: 64,
            fps: 12,
            cover: None,
            created_at: String::new(),
            updated_at: String::new(),
        };
        Event::ProjectUpdated(ProjectUpdated { project, deleted: false })
    }

    #[tokio::test]
    async fn hello_tells_the_seq_after_which_events_follow() {
        let hub = Hub::new();
        hub.publish(event());
        let (hello, mut events) = hub.subscribe();
        let Event::Hello(hello) = hello.event else { panic!("the first message is hello") };
        assert_eq!(hello.seq, 1);
        hub.publish(event());
        let next: Message = serde_json::from_str(&events.recv().await.expect("an event")).expect("JSON");
        assert_eq!(next.seq, Some(2));
    }

    #[tokio::test]
    async fn many_threads_publish_in_one_order() {
        let hub = Arc::new(Hub::new());
        let (_, mut events) = hub.subscribe();
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let hub = Arc::clone(&hub);
                std::thread::spawn(move || (0..50).for_each(|_| hub.publish(event())))
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
        for expected in 1..=200 {
            let message: Message = serde_json::from_str(&events.recv().await.expect("an event")).expect("JSON");
            assert_eq!(message.seq, Some(expected));
        }
    }
}
