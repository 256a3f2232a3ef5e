//! The parameters that the tests write: a plain picture's. Included by the unit tests and by an example too.

use super::Parameters;
use generation::{GenerationParameters, Sampler, Schedule};

/// With these prompts; everything else is the same each time.
pub fn parameters(prompt: &str, negative_prompt: &str) -> Parameters {
    let shared = GenerationParameters {
        prompt: prompt.to_owned(),
        negative_prompt: negative_prompt.to_owned(),
        width: 832,
        height: 1216,
        steps: 30,
        cfg_scale: 7.0,
        sampler: Sampler::Dpmpp2m,
        scheduler: Schedule::Karras,
        ..GenerationParameters::default()
    };
    Parameters::new(shared, 42, "sdxl".to_owned(), None, Vec::new(), None, None, Default::default(), "0.1.0".to_owned())
}
