//! What a picture is made from.

use crate::{
    Error, FACTOR, Picture,
    prompt::{Plan, evaluations, networks::faulty_tag, parse},
};
use checkpoint::EmbeddingFile;
use diffusion::StepNoise;
use generation::{FieldError, GenerationParameters, PromptSyntax, Value, limits, rule};
use std::sync::Arc;

/// A picture to start from.
#[derive(Clone, Debug, PartialEq)]
pub struct InitImage {
    /// Of any size; scaled to cover the picture's and cropped at the centre.
    pub picture: Picture,
    /// How much of it is redone, 0 (nothing) to 1 (everything).
    pub strength: f64,
}

generation::parameters! {
    plain
    /// What a picture is made from.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Params {
        /// How both prompts are read.
        pub prompt_syntax: PromptSyntax,
        /// Seed of the noise; its low 32 bits count, as in PyTorch.
        pub seed: u64,
        /// Source of the steps' own noise.
        pub step_noise: StepNoise,
        /// A picture to start from.
        pub init_image: Option<InitImage>,
        /// Embeddings (textual inversion). Their vectors replace their names in the prompts.
        pub embeddings: Vec<Arc<EmbeddingFile>>,
        /// Unit noise `[1, 4, height/8, width/8]` to start from instead of the seed's.
        pub initial_noise: Option<Vec<f32>>,
    }
}

impl Default for Params {
    /// diffusers' defaults for SDXL, with seed 0.
    fn default() -> Self {
        GenerationParameters::default().into()
    }
}

impl From<GenerationParameters> for Params {
    /// With seed 0, A1111's prompt syntax and no start picture.
    fn from(shared: GenerationParameters) -> Self {
        Self::new(shared, PromptSyntax::default(), 0, StepNoise::default(), None, Vec::new(), None)
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
    /// [`Error::Params`] with all that break their rules.
    pub fn validate(&self) -> Result<(), Error> {
        let mut errors = self.errors();
        let prompts = [("prompt", &self.prompt), ("negative_prompt", &self.negative_prompt)];
        errors
            .extend(prompts.into_iter().filter_map(|(field, prompt)| breaks_error(field, prompt, self.prompt_syntax)));
        // A plan over steps out of bounds would be as long.
        if errors.is_empty() {
            errors.extend(self.plan_errors());
        }
        let strength = self.init_image.as_ref().map(|init| Value::Number(init.strength));
        let own = [("seed", Some(Value::Whole(self.seed))), ("strength", strength)];
        errors.extend(own.into_iter().filter_map(|(field, value)| rule(field)?.error(field, value?)));
        errors.extend(self.initial_noise.as_ref().and_then(|noise| self.noise_error(noise)));
        if errors.is_empty() { Ok(()) } else { Err(Error::Params(errors)) }
    }

    /// What the prompt asks for at each evaluation of the model.
    pub(crate) fn plan(&self) -> Plan {
        Plan::of_prompt(&self.prompt, self.prompt_syntax, evaluations(self.sampler, self.steps as usize))
    }

    /// The same for the negative prompt.
    pub(crate) fn negative_plan(&self) -> Plan {
        let evaluations = evaluations(self.sampler, self.steps as usize);
        Plan::of_negative_prompt(&self.negative_prompt, self.prompt_syntax, evaluations)
    }

    fn plan_errors(&self) -> impl Iterator<Item = FieldError> {
        let tag = (self.prompt_syntax == PromptSyntax::A1111).then(|| faulty_tag(&self.prompt)).flatten();
        let plans =
            [("prompt", tag.or_else(|| self.plan().error())), ("negative_prompt", self.negative_plan().error())];
        plans.into_iter().filter_map(|(field, message)| Some(FieldError { field, message: message? }))
    }

    fn noise_error(&self, noise: &[f32]) -> Option<FieldError> {
        let expected: usize = self.latent_shape(4).iter().product();
        let message = match noise.len() == expected {
            false => format!("must hold {:?} numbers for this size, not {}", self.latent_shape(4), noise.len()),
            true if noise.iter().any(|x| !x.is_finite()) => "must be finite".to_owned(),
            true => return None,
        };
        Some(FieldError { field: "initial_noise", message })
    }
}

fn breaks_error(field: &'static str, prompt: &str, syntax: PromptSyntax) -> Option<FieldError> {
    let breaks = parse(prompt, syntax).iter().filter(|segment| segment.starts_chunk).count();
    (breaks > limits::BREAKS)
        .then(|| FieldError { field, message: format!("must have at most {} BREAKs, not {breaks}", limits::BREAKS) })
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
        assert_eq!(bad_fields(&params), ["prompt", "steps", "cfg_scale", "width", "height", "seed", "strength"]);
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
    fn parts_and_texts_of_a_prompt_are_limited() {
        let bad = |prompt: &str| bad_fields(&Params { prompt: prompt.to_owned(), ..Params::default() });
        let parts = |n: usize| vec!["a"; n].join(" AND ");
        let texts = |n: usize| format!("[{}]", (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join("|"));
        let good = |prompt: String| Params { prompt, steps: 100, ..Params::default() }.validate().expect("in bounds");
        good(parts(limits::PROMPT_PARTS));
        good(texts(limits::PROMPT_TEXTS));
        assert_eq!(bad(&parts(limits::PROMPT_PARTS + 1)), ["prompt"]);
        assert_eq!(bad("a AND b :101"), ["prompt"]);
        assert_eq!(bad("a <lora:x:strong>"), ["prompt"]);
        let params = Params { negative_prompt: texts(limits::PROMPT_TEXTS + 1), steps: 100, ..Params::default() };
        assert_eq!(bad_fields(&params), ["negative_prompt"]);
        Params { prompt_syntax: PromptSyntax::Plain, ..params }.validate().expect("words");
    }

    #[test]
    fn noise_must_fit_the_latent() {
        let params = |n, x| Params { width: 64, height: 128, initial_noise: Some(vec![x; n]), ..Params::default() };
        params(4 * 16 * 8, 0.5).validate().expect("fits");
        assert_eq!(bad_fields(&params(4 * 16 * 8 - 1, 0.5)), ["initial_noise"]);
        assert_eq!(bad_fields(&params(4 * 16 * 8, f32::INFINITY)), ["initial_noise"]);
    }
}
