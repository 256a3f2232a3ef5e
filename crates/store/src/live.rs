//! What servers tell each other about runs without storing it for later.

use protocol::{GenerationProgress, TaskId};
use serde::{Deserialize, Serialize};

/// Name of the notifications that carry these messages.
pub(crate) const LIVE: &str = "emberline_live";

/// A run: one attempt at a task. The attempt only grows, so that the two name a run for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct Run {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: u32,
}

/// A message between servers.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Live {
    /// A server has done a step of a run that it holds.
    Progress {
        /// The server.
        server: String,
        /// What its clients got.
        event: GenerationProgress,
    },
    /// The current estimate of a run shall become the final picture.
    Keep(Run),
    /// There is a request about a run, as a row.
    Asked(Run),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_that_a_query_writes_can_be_read() {
        let read: Live = serde_json::from_str(r#"{"keep" : {"task" : 7, "attempt" : 2}}"#).expect("a message");
        assert_eq!(read, Live::Keep(Run { task: TaskId(7), attempt: 2 }));
    }
}
