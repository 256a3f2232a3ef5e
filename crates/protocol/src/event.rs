//! WebSocket messages: `{"type": ..., "seq": n, "data": {...}}`.

use crate::{Project, TaskSummary};
use serde::{Deserialize, Serialize};

/// One text frame from the server. `hello` and `metrics` carry no `seq`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Strictly growing within one epoch; gaps come from the project filter and from dropped progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened. Each carries the whole new state of its thing, so that hearing it twice does no harm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// The first message on a connection.
    Hello(Hello),
    /// How the machine is doing; every two seconds.
    Metrics(Metrics),
    /// A project was made, changed, deleted or restored.
    ProjectUpdated(ProjectUpdated),
}

/// A project's new state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectUpdated {
    /// The project as it is now.
    #[serde(flatten)]
    pub project: Project,
    /// Whether it is deleted (it can be restored for a while).
    pub deleted: bool,
}

/// Where the server stands as a client connects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The server's version.
    pub version: String,
    /// Names this start of the server; a `seq` has no meaning in another epoch.
    pub epoch: String,
    /// The newest `seq`.
    pub seq: u64,
    /// Every queued or running task.
    pub tasks: Vec<TaskSummary>,
}

/// The machine's state, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Use of all processors together, 0 to 100.
    pub cpu_percent: f32,
    /// Memory in use on the machine, bytes.
    pub memory_used_bytes: u64,
    /// Memory of the machine, bytes.
    pub memory_total_bytes: u64,
    /// Resident memory of the server's process, bytes.
    pub process_memory_bytes: u64,
    /// Time since the server started, seconds.
    pub uptime_s: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_type_seq_data() {
        let hello = Hello { version: "0.1.0".into(), epoch: "e".into(), seq: 7, tasks: vec![] };
        let message = Message { seq: None, event: Event::Hello(hello) };
        let wire = serde_json::to_value(&message).expect("serializes");
        assert_eq!(
            wire,
            serde_json::json!({
                "type": "hello",
                "data": {"version": "0.1.0", "epoch": "e", "seq": 7, "tasks": []}
            })
        );
        assert_eq!(serde_json::from_value::<Message>(wire).expect("reads back"), message);
    }
}
