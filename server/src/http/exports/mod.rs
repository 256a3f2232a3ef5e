//! `/api/v1/projects/{id}/exports` and `/api/v1/exports`

pub mod create;
pub mod delete;
pub mod file;
pub mod list;
pub mod read;
