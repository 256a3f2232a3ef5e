#![doc = include_str!("../README.md")]

mod denoise;
mod guidance;
mod noise;
mod observer;
mod prediction;
mod sampler;
mod schedule;

pub use denoise::Denoise;
pub use generation::{
    Sampler, Schedule, UnknownName,
    limits::{CFG_RESCALE, CFG_SCALE, STRENGTH},
};
pub use guidance::{Guidance, GuidanceError, Guided, Network, Passes, Prompts};
pub use noise::{BrownianPath, Generator, NoiseSource, StepNoise};
pub use observer::{Observer, Step, Stop, Unobserved};
pub use prediction::{Prediction, input_scale};
pub use sampler::{
    Outcome, Sample, ddim, ddpm, dpm_2, dpm_2_ancestral, dpmpp_2m, dpmpp_2m_sde, dpmpp_2s_ancestral, dpmpp_3m_sde,
    dpmpp_sde, euler, euler_ancestral, heun, lcm, lms, uni_pc,
};
pub use schedule::{Betas, ModelSigmas, STEPS, ScheduleError, Sigmas, Start, TRAINING_STEPS, check_sigmas};
