//! What a picture is made from.

use crate::{
    Error, FACTOR, ParamError, Picture,
    prompt::{PromptSyntax, parse},
};
use diffusion::{CFG_RESCALE, CFG_SCALE, STEPS, STRENGTH, Sampler, Schedule, StepNoise};
use std::ops::RangeInclusive;

/// The bounds of [`Params`].
pub mod limits {
    use std::ops::RangeInclusive;

    /// A picture's side in pixels.
    pub const SIDE_PX: RangeInclusive<u32> = 64..=2048;
    /// A picture's side is a multiple of this many pixels.
    pub const SIDE_STEP_PX: u32 = super::FACTOR as u32;
    /// Characters of a prompt: each 75 tokens are one more pass through both text encoders.
    pub const PROMPT_CHARS: usize = 10_000;
    /// `BREAK`s of a prompt: each is one more chunk, of 77 tokens for the UNet to attend to.
    pub const BREAKS: usize = 64;
    /// The largest seed: the largest integer that JavaScript holds exactly.
    pub const SEED: u64 = (1 << 53) - 1;
}

/// A picture to start from.
#[derive(Clone, Debug, PartialEq)]
pub struct InitImage {
    /// Of any size; scaled to cover the picture's and cropped at the centre.
    pub picture: Picture,
    /// How much of it is redone, 0 (nothing) to 1 (everything).
    pub strength: f64,
}

/// What a picture is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    /// What it shows.
    pub prompt: String,
    /// What it does not show; empty means no negative prompt.
    pub negative_prompt: String,
    /// How both prompts are read.
    pub prompt_syntax: PromptSyntax,
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Sampling steps.
    pub steps: usize,
    /// Strength of the guidance away from the negative prompt; 1 is none.
    pub cfg_scale: f64,
    /// How much of the guided prediction's contrast is taken back (diffusers' `guidance_rescale`); 0.7 for
    /// zero-terminal-SNR models, else 0.
    pub cfg_rescale: f64,
    /// Sampling method.
    pub sampler: Sampler,
    /// Noise levels.
    pub schedule: Schedule,
    /// Seed of the noise; its low 32 bits count, as in PyTorch.
    pub seed: u64,
    /// Where the steps' own noise is drawn from.
    pub step_noise: StepNoise,
    /// A picture to start from.
    pub init_image: Option<InitImage>,
    /// Unit noise `[1, 4, height/8, width/8]` to start from instead of the seed's.
    pub initial_noise: Option<Vec<f32>>,
}

impl Default for Params {
    /// diffusers' defaults for SDXL.
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: String::new(),
            prompt_syntax: PromptSyntax::default(),
            width: 1024,
            height: 1024,
            steps: 30,
            cfg_scale: 5.0,
            cfg_rescale: 0.0,
            sampler: Sampler::Euler,
            schedule: Schedule::Leading,
            seed: 0,
            step_noise: StepNoise::default(),
            init_image: None,
            initial_noise: None,
        }
    }
}

impl Params {
    /// The latent's shape.
    pub fn latent_shape(&self, channels: usize) -> [usize; 4] {
        [1, channels, self.height as usize / FACTOR, self.width as usize / FACTOR]
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Params`] with all that are out of bounds.
    pub fn validate(&self) -> Result<(), Error> {
        let strength = self.init_image.as_ref().and_then(|init| within("strength", init.strength, &STRENGTH));
        let errors: Vec<ParamError> = [
            prompt_error("prompt", &self.prompt, self.prompt_syntax),
            prompt_error("negative_prompt", &self.negative_prompt, self.prompt_syntax),
            side_error("width", self.width),
            side_error("height", self.height),
            within("steps", self.steps, &STEPS),
            within("cfg_scale", self.cfg_scale, &CFG_SCALE),
            within("cfg_rescale", self.cfg_rescale, &CFG_RESCALE),
            within("seed", self.seed, &(0..=limits::SEED)),
            strength,
            self.initial_noise.as_ref().and_then(|noise| self.noise_error(noise)),
        ]
        .into_iter()
        .flatten()
        .collect();
        if errors.is_empty() { Ok(()) } else { Err(Error::Params(errors)) }
    }

    fn noise_error(&self, noise: &[f32]) -> Option<ParamError> {
        let expected: usize = self.latent_shape(4).iter().product();
        let message = match noise.len() == expected {
            false => format!("must hold {:?} numbers for this size, not {}", self.latent_shape(4), noise.len()),
            true if noise.iter().any(|x| !x.is_finite()) => "must be finite".to_owned(),
            true => return None,
        };
        Some(ParamError { field: "initial_noise", message })
    }
}

fn within<T: PartialOrd + std::fmt::Display>(
    field: &'static str,
    value: T,
    bounds: &RangeInclusive<T>,
) -> Option<ParamError> {
    // Not a number lies in no range.
    (!bounds.contains(&value))
        .then(|| ParamError { field, message: format!("must be {} to {}, not {value}", bounds.start(), bounds.end()) })
}

fn side_error(field: &'static str, px: u32) -> Option<ParamError> {
    let (bounds, step) = (limits::SIDE_PX, limits::SIDE_STEP_PX);
    (!bounds.contains(&px) || !px.is_multiple_of(step)).then(|| ParamError {
        field,
        message: format!("must be a multiple of {step} from {} to {}, not {px}", bounds.start(), bounds.end()),
    })
}

fn prompt_error(field: &'static str, prompt: &str, syntax: PromptSyntax) -> Option<ParamError> {
    let count = prompt.chars().count();
    if count > limits::PROMPT_CHARS {
        let message = format!("must be at most {} characters long, not {count}", limits::PROMPT_CHARS);
        return Some(ParamError { field, message });
    }
    let breaks = parse(prompt, syntax).iter().filter(|segment| segment.starts_chunk).count();
    (breaks > limits::BREAKS)
        .then(|| ParamError { field, message: format!("must have at most {} BREAKs, not {breaks}", limits::BREAKS) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad_fields(params: &Params) -> Vec<&'static str> {
        match params.validate() {
            Err(Error::Params(errors)) => errors.into_iter().map(|e| e.field).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        let params = Params {
            prompt: "x".repeat(limits::PROMPT_CHARS + 1),
            width: 1001,
            height: 16384,
            steps: 0,
            cfg_scale: f64::NAN,
            seed: u64::MAX,
            init_image: Some(InitImage { picture: Picture::new(vec![], 8, 8), strength: 1.5 }),
            ..Params::default()
        };
        assert_eq!(bad_fields(&params), ["prompt", "width", "height", "steps", "cfg_scale", "seed", "strength"]);
    }

    #[test]
    fn the_bounds_themselves_are_allowed() {
        for (width, steps, cfg_scale) in [(64, 1, 1.0), (2048, 1000, 30.0)] {
            let prompt = "龍".repeat(limits::PROMPT_CHARS);
            let params = Params { prompt, width, steps, cfg_scale, seed: limits::SEED, ..Params::default() };
            params.validate().expect("within bounds");
        }
    }

    #[test]
    fn breaks_are_limited_where_they_end_chunks() {
        let params = |n, prompt_syntax| Params { prompt: "a BREAK ".repeat(n), prompt_syntax, ..Params::default() };
        params(limits::BREAKS, PromptSyntax::A1111).validate().expect("within bounds");
        assert_eq!(bad_fields(&params(limits::BREAKS + 1, PromptSyntax::A1111)), ["prompt"]);
        params(limits::BREAKS + 1, PromptSyntax::Plain).validate().expect("words");
    }

    #[test]
    fn noise_must_fit_the_latent() {
        let params = |n, x| Params { width: 64, height: 128, initial_noise: Some(vec![x; n]), ..Params::default() };
        params(4 * 16 * 8, 0.5).validate().expect("fits");
        assert_eq!(bad_fields(&params(4 * 16 * 8 - 1, 0.5)), ["initial_noise"]);
        assert_eq!(bad_fields(&params(4 * 16 * 8, f32::INFINITY)), ["initial_noise"]);
    }
}
