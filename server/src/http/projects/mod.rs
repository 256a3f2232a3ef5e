//! `/api/v1/projects`.

pub mod create;
pub mod delete;
pub mod list;
pub mod read;
pub mod restore;
pub mod update;
