//! The commands that need no server.

pub mod doctor;
pub mod generate;
pub mod inspect;
pub mod model;
pub mod offers;
mod picture;
pub mod scan;
pub mod settings;
