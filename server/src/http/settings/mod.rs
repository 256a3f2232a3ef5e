//! `/api/v1/settings`.

pub mod read;
pub mod update;
