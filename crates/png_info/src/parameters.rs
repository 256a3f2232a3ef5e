//! The parameters that a picture was made from.

use crate::{
    infotext::{Infotext, always_quoted, lora_hashes, quoted, with_lora_tags},
    record::{NO_BRANCH, NO_START, NO_TRACK, NotApplied, Record},
};
use generation::{PartialParameters, Sampler, Schedule, Track, TrackChange, parameters};
use serde::{Deserialize, Serialize};

parameters! {
    record
    /// One generation's parameters, with the seed resolved, so that the picture can be made again.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "PngParameters"))]
    pub struct Parameters {
        /// The model's name: a file or folder name without the path.
        pub model: String,
        /// Share of the initial picture that was redrawn. `None` without an initial picture.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub strength: Option<f64>,
        /// Names of the styles that the prompts contain.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub styles: Vec<String>,
        /// Id of the take whose first steps it shares; none where it shares none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub branch_of: Option<i64>,
        /// How many steps it shares with that take.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub from_step: Option<u32>,
        /// What was changed between its steps.
        #[serde(default, skip_serializing_if = "Track::is_empty")]
        pub track: Track,
        /// Emberline's version.
        pub version: String,
    }
}

impl Parameters {
    /// The text in A1111's format: prompt, negative prompt, then `Key: value` pairs on the last line. Prompts that
    /// cannot be written as lines (a line that starts with `Negative prompt:`, blank lines at the start, spaces around
    /// a line) are also written as pairs with the keys `Prompt` and `Negative prompt`, which A1111's own reader uses
    /// instead of the lines. LoRA files are tags in the prompt, `<lora:name:weight>`, and `Lora hashes`.
    ///
    /// A prompt that was changed between two steps is written as `[a:b:when]` where A1111 then uses the same texts.
    pub fn to_a1111(&self) -> String {
        let (prompt, negative_prompt) = self.edited_prompts();
        let prompt = with_lora_tags(&prompt, &self.loras);
        let text = self.text_with((&prompt, &negative_prompt), &[]);
        let read = Infotext::parse(&text);
        let mut exact = Vec::new();
        if read.prompt != prompt {
            exact.push(("Prompt", prompt.as_str()));
        }
        if read.negative_prompt != negative_prompt {
            exact.push(("Negative prompt", negative_prompt.as_str()));
        }
        if exact.is_empty() { text } else { self.text_with((&prompt, &negative_prompt), &exact) }
    }

    /// The parameters as options, with the model and the strength. Prompts that were changed between two steps are written as
    /// in [`Parameters::to_a1111`].
    pub fn settings(&self) -> PartialParameters {
        let (prompt, negative_prompt) = self.edited_prompts();
        PartialParameters {
            prompt: Some(prompt),
            negative_prompt: Some(negative_prompt),
            model: Some(self.model.clone()),
            strength: self.strength,
            ..self.partial()
        }
    }

    /// The prompt and the negative prompt as one text each for all steps; those of the first step where a prompt cannot say
    /// how they changed.
    fn edited_prompts(&self) -> (String, String) {
        let edited = |first: &String, of: fn(&TrackChange) -> Option<&String>| {
            self.edited(first, of).unwrap_or_else(|| first.clone())
        };
        let prompt = edited(&self.prompt, |change| change.prompt.as_ref());
        (prompt, edited(&self.negative_prompt, |change| change.negative_prompt.as_ref()))
    }

    /// A prompt with its changes as one text; none where a prompt cannot say them.
    fn edited(&self, first: &str, of: fn(&TrackChange) -> Option<&String>) -> Option<String> {
        prompt::edited_by(&self.track, of, first, self.sampler.parse().ok()?, self.steps)
    }

    /// Whether a prompt cannot say what was changed between the steps.
    fn is_track_lost(&self) -> bool {
        let has_more = self.track.iter().any(|change| change.cfg_scale.is_some() || change.finish_in.is_some());
        let prompt = self.edited(&self.prompt, |change| change.prompt.as_ref());
        let negative = self.edited(&self.negative_prompt, |change| change.negative_prompt.as_ref());
        !self.track.is_empty() && (has_more || prompt.is_none() || negative.is_none())
    }

    fn text_with(&self, (prompt, negative_prompt): (&str, &str), exact: &[(&str, &str)]) -> String {
        let mut text = prompt.to_owned();
        if !negative_prompt.is_empty() {
            text += &format!("\nNegative prompt: {negative_prompt}");
        }
        text += &format!(
            "\nSteps: {}, Sampler: {}, Schedule type: {}, CFG scale: {}, Seed: {}, Size: {}x{}, Model: {}",
            self.steps,
            quoted(self.sampler.parse().ok().and_then(Sampler::a1111_name).unwrap_or(&self.sampler)),
            quoted(self.scheduler.parse().ok().and_then(Schedule::a1111_name).unwrap_or(&self.scheduler)),
            self.cfg_scale,
            self.seed,
            self.width,
            self.height,
            quoted(&self.model),
        );
        if self.cfg_rescale > 0.0 {
            text += &format!(", CFG rescale: {}", self.cfg_rescale);
        }
        if let Some(strength) = self.strength {
            text += &format!(", Denoising strength: {strength}");
        }
        if let Some(hashes) = lora_hashes(&self.loras) {
            text += &format!(", Lora hashes: {}", always_quoted(&hashes));
        }
        for (key, value) in exact {
            text += &format!(", {key}: {}", always_quoted(value));
        }
        text + &format!(", Version: {}", quoted(&format!("Emberline {}", self.version)))
    }
}

impl From<&Parameters> for Record {
    fn from(made: &Parameters) -> Self {
        let settings = made.settings();
        let strength = made.strength.map(|strength| NotApplied::new("strength", &strength.to_string(), NO_START));
        let from_step = made.from_step.map(|step| NotApplied::new("from_step", &step.to_string(), NO_BRANCH));
        let json = serde_json::to_string(&made.track).unwrap_or_default();
        let track = made.is_track_lost().then(|| NotApplied::new("track", &json, NO_TRACK));
        Self {
            program: "Emberline".to_owned(),
            program_version: Some(made.version.clone()),
            settings,
            not_applied: strength.into_iter().chain(from_step).chain(track).collect(),
        }
    }
}

#[cfg(test)]
#[path = "../tests/records/sample.rs"]
mod sample;

#[cfg(test)]
mod tests {
    use super::{sample::parameters as of, *};

    #[test]
    fn the_text_is_a1111s() {
        let mut parameters = Parameters { model: "sdxl, base".to_owned(), ..of("a red car", "") };
        let last = "Steps: 30, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, Size: 832x1216, \
                    Model: \"sdxl, base\"";
        assert_eq!(parameters.to_a1111(), format!("a red car\n{last}, Version: Emberline 0.1.0"));

        parameters.negative_prompt = "rain".to_owned();
        parameters.strength = Some(0.6);
        parameters.scheduler = "leading".to_owned();
        let text = parameters.to_a1111();
        assert!(text.starts_with("a red car\nNegative prompt: rain\nSteps: 30"), "{text}");
        assert!(text.contains("Schedule type: leading") && text.contains("Denoising strength: 0.6"), "{text}");
    }
    #[test]
    fn lora_files_are_tags_and_hashes() {
        let lora = generation::Lora { hash: Some("0123456789ab".to_owned()), ..generation::Lora::new("ink", 0.7) };
        let text = Parameters { loras: generation::Loras(vec![lora.clone()]), ..of("a car", "rain") }.to_a1111();
        assert!(text.starts_with("a car <lora:ink:0.7>\nNegative prompt: rain\n"), "{text}");
        assert!(text.contains(", Lora hashes: \"ink: 0123456789ab\", Version"), "{text}");
        let read = crate::infotext::record(&crate::infotext::Whole::parse(&text)).settings;
        assert_eq!(read.loras.as_deref(), Some(&[lora][..]));
    }

    #[test]
    fn values_are_quoted_as_json() {
        let model = "a \"red\", fox\u{7f}'s";
        let parameters = Parameters { model: model.to_owned(), ..of("a car", "") };
        let text = parameters.to_a1111();
        // Rust's own quoting would escape the apostrophe or write `\u{7f}`.
        assert!(text.contains("Model: \"a \\\"red\\\", fox\u{7f}'s\", Version"), "{text}");
        for model in ["", " x ", "\"x\"", "a: b", "\\", "日本", "x\ty"] {
            let parameters = Parameters { model: model.to_owned(), ..of("a car", "") };
            let read = Infotext::parse(&parameters.to_a1111());
            let read = read.pairs.iter().find(|(key, _)| key == "Model").map(|(_, value)| value.as_str());
            assert_eq!(read, Some(model));
        }
    }

    #[test]
    fn prompts_that_lines_cannot_carry_are_pairs_too() {
        let plain = of("a car\nSteps: 20, Sampler: x, Seed: 5", "rain").to_a1111();
        assert!(!plain.contains("Prompt: \"") && !plain.contains("Negative prompt: \""), "{plain}");
        for (prompt, negative) in [
            ("Negative prompt: no, this is the prompt", ""),
            ("a car", "x\nNegative prompt: y"),
            ("\n\na car", "\n"),
            (" a \n b ", "\ta"),
            ("\"", "\\"),
            ("", ""),
        ] {
            let text = of(prompt, negative).to_a1111();
            let read = Infotext::parse(&text);
            assert_eq!((read.prompt.as_str(), read.negative_prompt.as_str()), (prompt, negative), "{text}");
        }
    }
}
