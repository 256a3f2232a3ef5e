//! The commands that need no server.

pub mod generate;
pub mod inspect;
pub mod model;
