//! Commands that run without a server, and model options shared with `serve`.

mod cluster;
pub mod doctor;
mod extras;
mod files;
pub mod generate;
pub mod inspect;
pub mod library;
pub mod migrate;
pub mod model;
pub mod moving;
pub mod offers;
mod picture;
pub mod scan;
pub mod settings;
mod text;
pub mod upscale;
mod wildcards;
pub mod workers;

pub use wildcards::wildcards;
