//! Noise: PyTorch's random numbers, and what samplers draw them through.

mod generator;
mod mt19937;
mod source;

pub use generator::Generator;
pub use source::{BrownianPath, NoiseSource, StepNoise};
