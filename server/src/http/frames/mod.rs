//! `/api/v1/frames`.

pub mod create;
pub mod delete;
pub mod duplicate;
pub mod list;
pub mod restore;
pub mod update;
