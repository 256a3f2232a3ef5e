//! Noise: PyTorch's random numbers, and the sources from which samplers draw.

mod generator;
mod mt19937;
mod source;

pub use generator::Generator;
pub use source::{BrownianPath, NoisePosition, NoiseSource, StepNoise};
