//! `/api/v1/queue`.

pub mod order;
pub mod pause;
pub mod read;
pub mod resume;
