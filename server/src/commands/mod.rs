//! The commands that need no server.

pub mod doctor;
pub mod generate;
pub mod inspect;
pub mod model;
mod picture;
pub mod scan;
pub mod settings;
