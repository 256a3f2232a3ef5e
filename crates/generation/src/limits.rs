//! Limits of a generation's fields. The page's inputs, the OpenAPI document and the command line show the same numbers.

use std::ops::RangeInclusive;

/// Characters (Unicode scalar values) of a prompt, and of a negative prompt. Each 75 tokens are one more pass through both
/// text encoders.
pub const PROMPT_CHARS: usize = 10_000;
/// `BREAK`s of a prompt. Each is one more chunk: 77 tokens for the UNet to attend to.
pub const BREAKS: usize = 64;
/// Sampling steps.
pub const STEPS: RangeInclusive<u32> = 1..=1000;
/// Guidance scale; 1 is no guidance.
pub const CFG_SCALE: RangeInclusive<f64> = 1.0..=30.0;
/// Share of the guided prediction's contrast that is taken back; 0 is none of it.
pub const CFG_RESCALE: RangeInclusive<f64> = 0.0..=1.0;
/// Share of a initial picture that is redone.
pub const STRENGTH: RangeInclusive<f64> = 0.0..=1.0;
/// The largest seed: the largest integer that JavaScript holds exactly.
pub const SEED: u64 = (1 << 53) - 1;
/// A picture's side in pixels.
pub const SIDE_PX: RangeInclusive<u32> = 64..=2048;
/// A picture's side is a multiple of this many pixels: the VAE's factor.
pub const SIDE_STEP_PX: u32 = 8;
/// Takes of one request.
pub const NUM_VARIANTS: RangeInclusive<u32> = 1..=16;
/// Tasks that wait at the same time.
pub const QUEUED_TASKS: usize = 1000;
/// Minimum time between two previews, milliseconds.
pub const PREVIEW_INTERVAL_MS: RangeInclusive<u32> = 0..=2000;
