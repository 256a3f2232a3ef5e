//! What the browser and the server say to each other: ids, requests, states, events, and errors that a
//! person can read. Data and its validation only; compiled for both sides.

mod error;
mod event;
mod id;
pub mod project;
mod task;

pub use error::{FieldError, Problem};
pub use event::{Event, Hello, Message, Metrics, ProjectUpdated};
pub use id::{FrameId, ProjectId, TakeId, TaskId};
pub use project::{NewProject, Project, ProjectPatch};
pub use task::{TaskStatus, TaskSummary};
