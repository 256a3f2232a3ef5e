//! `/api/v1/inspect-png`.

pub mod create;
