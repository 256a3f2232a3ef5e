//! Tasks.

mod cancel;
mod keep;
mod retry;

pub use cancel::{CancelTask, cancel_task};
pub use keep::{KeepTask, keep_task};
pub use retry::{RetryTask, retry_task};
