//! `/api/v1/projects/{id}/generations`.

pub mod create;
