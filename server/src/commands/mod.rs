//! Commands that run without a server, and model options shared with `serve`.

pub mod doctor;
pub mod generate;
pub mod inspect;
pub mod model;
pub mod offers;
mod picture;
pub mod scan;
pub mod settings;
