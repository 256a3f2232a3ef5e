//! `/api/v1/takes`.

pub mod delete;
pub mod list;
