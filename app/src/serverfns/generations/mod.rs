//! Generations.

mod create;
mod estimate;

pub use create::{CreateGeneration, create_generation};
pub use estimate::{EstimateGeneration, estimate_generation};
