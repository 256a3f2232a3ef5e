//! The queue.

mod pause;
mod reorder;

pub use pause::{PauseQueue, pause_queue};
pub use reorder::{ReorderQueue, reorder_queue};
