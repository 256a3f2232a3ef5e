//! The parameters that the tests write: a plain picture's. Included by the unit tests and by an example too.

use super::Parameters;

/// With these prompts; everything else is the same each time.
pub fn parameters(prompt: &str, negative_prompt: &str) -> Parameters {
    Parameters {
        prompt: prompt.to_owned(),
        negative_prompt: negative_prompt.to_owned(),
        width: 832,
        height: 1216,
        steps: 30,
        cfg_scale: 7.0,
        sampler: "dpmpp_2m".to_owned(),
        scheduler: "karras".to_owned(),
        seed: 42,
        model: "sdxl".to_owned(),
        strength: None,
        version: "0.1.0".to_owned(),
    }
}
