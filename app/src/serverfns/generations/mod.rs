//! Generations.

mod create;

pub use create::{CreateGeneration, create_generation};
