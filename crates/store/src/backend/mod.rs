//! What differs between the two databases: how they are opened.

pub(crate) mod files;
pub(crate) mod postgres;
pub(crate) mod sqlite;
