//! `/api/v1/tasks`.

pub mod cancel;
pub mod keep;
pub mod list;
pub mod read;
pub mod retry;
