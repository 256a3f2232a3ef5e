#![doc = include_str!("../README.md")]

mod denoise;
mod guidance;
mod noise;
mod observer;
mod prediction;
mod sampler;
mod schedule;
mod state;

pub use denoise::Denoise;
pub use generation::{
    Prediction, Sampler, Schedule, UnknownName, is_guided,
    limits::{CFG_RESCALE, CFG_SCALE, STRENGTH},
};
pub use guidance::{Guidance, GuidanceError, Guided, Network, Passes, Prompts};
pub use noise::{BrownianPath, Generator, NoisePosition, NoiseSource, StepNoise};
pub use observer::{Observer, Step, Stop, Unobserved};
pub use prediction::Preconditioning;
pub use sampler::{Outcome, Sample, dpmpp_sde};
pub use schedule::{
    Betas, Edm, ModelSigmas, STEPS, ScheduleError, Sigmas, Start, TRAINING_STEPS, check_sigmas, replanned,
};
pub use state::{Past, SamplerState};
