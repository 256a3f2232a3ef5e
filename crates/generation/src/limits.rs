//! Limits of a generation's fields. The form, the OpenAPI document and the command line use these values.

use std::ops::RangeInclusive;

/// Maximum characters (Unicode scalar values) of a prompt, and of a negative prompt. Every 75 tokens need one more pass
/// through both text encoders.
pub const PROMPT_CHARS: usize = 10_000;
/// Maximum number of `BREAK`s in a prompt. Each adds a chunk of 77 tokens for the UNet's cross-attention.
pub const BREAKS: usize = 64;
/// Parts of a prompt between `AND`s. Each adds a pass of the UNet to every evaluation.
pub const PROMPT_PARTS: usize = 16;
/// Different texts that one prompt has over its steps. Each is encoded.
pub const PROMPT_TEXTS: usize = 64;
/// Weight of a part between `AND`s.
pub const PART_WEIGHT: RangeInclusive<f64> = -100.0..=100.0;
/// Sampling steps.
pub const STEPS: RangeInclusive<u32> = 1..=1000;
/// Changes of a picture while it forms.
pub const TRACK_CHANGES: usize = 100;
/// Guidance scale. Values up to 1 mean no guidance: see [`is_guided`](crate::is_guided).
pub const CFG_SCALE: RangeInclusive<f64> = 0.0..=30.0;
/// Share of the guided prediction's contrast that is removed. 0 removes none.
pub const CFG_RESCALE: RangeInclusive<f64> = 0.0..=1.0;
/// LoRA files in one generation.
pub const LORAS: usize = 32;
/// Weight of a LoRA file. Negative weights remove what it adds.
pub const LORA_WEIGHT: RangeInclusive<f64> = -20.0..=20.0;
/// Characters of a LoRA file's name.
pub const LORA_NAME_CHARS: usize = 255;
/// Share of an initial picture that is redrawn.
pub const STRENGTH: RangeInclusive<f64> = 0.0..=1.0;
/// Largest seed: the largest integer that JavaScript represents exactly.
pub const SEED: u64 = (1 << 53) - 1;
/// Width or height of a picture in pixels.
pub const SIDE_PX: RangeInclusive<u32> = 64..=2048;
/// Width and height must be multiples of this many pixels: the VAE's downsampling factor.
pub const SIDE_STEP_PX: u32 = 8;
/// Takes per request.
pub const NUM_VARIANTS: RangeInclusive<u32> = 1..=16;
/// Number of steps after which a picture can pause by itself: before its last step.
pub const PAUSE_AT: RangeInclusive<u32> = *STEPS.start()..=*STEPS.end() - 1;
/// Maximum number of queued tasks.
pub const QUEUED_TASKS: usize = 1000;
/// Minimum time between two previews, in milliseconds.
pub const PREVIEW_INTERVAL_MS: RangeInclusive<u32> = 0..=2000;
