//! What a picture was made from.

use serde::{Deserialize, Serialize};

/// One generation's parameters, with the seed resolved, so that the picture can be made again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "PngParameters"))]
pub struct Parameters {
    /// What it shows.
    pub prompt: String,
    /// What it does not show; may be empty.
    #[serde(default)]
    pub negative_prompt: String,
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Sampling steps.
    pub steps: u32,
    /// Strength of the guidance.
    pub cfg_scale: f64,
    /// ComfyUI's name of the sampler.
    pub sampler: String,
    /// ComfyUI's name of the schedule (or `leading`).
    pub scheduler: String,
    /// Seed of the noise.
    pub seed: u64,
    /// The model's name, a file's or folder's without its path.
    pub model: String,
    /// How much of a start picture was redone; none where there was no start picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// Emberline's version.
    pub version: String,
}

/// A1111's name where ComfyUI's is another; the rest are not in A1111 and keep their own.
const SAMPLERS: &[(&str, &str)] = &[
    ("euler", "Euler"),
    ("euler_ancestral", "Euler a"),
    ("heun", "Heun"),
    ("dpm_2", "DPM2"),
    ("dpm_2_ancestral", "DPM2 a"),
    ("lms", "LMS"),
    ("dpmpp_2s_ancestral", "DPM++ 2S a"),
    ("dpmpp_2m", "DPM++ 2M"),
    ("dpmpp_2m_sde", "DPM++ 2M SDE"),
    ("dpmpp_3m_sde", "DPM++ 3M SDE"),
    ("dpmpp_sde", "DPM++ SDE"),
    ("ddim", "DDIM"),
    ("uni_pc", "UniPC"),
    ("lcm", "LCM"),
];

const SCHEDULES: &[(&str, &str)] = &[
    ("normal", "Normal"),
    ("karras", "Karras"),
    ("exponential", "Exponential"),
    ("sgm_uniform", "SGM Uniform"),
    ("simple", "Simple"),
    ("ddim_uniform", "DDIM"),
    ("beta", "Beta"),
];

impl Parameters {
    /// The text as A1111 writes it: prompt, negative prompt, then `Key: value` pairs on the last line.
    pub fn to_a1111(&self) -> String {
        let mut text = self.prompt.clone();
        if !self.negative_prompt.is_empty() {
            text += &format!("\nNegative prompt: {}", self.negative_prompt);
        }
        text += &format!(
            "\nSteps: {}, Sampler: {}, Schedule type: {}, CFG scale: {}, Seed: {}, Size: {}x{}, Model: {}",
            self.steps,
            theirs(SAMPLERS, &self.sampler),
            theirs(SCHEDULES, &self.scheduler),
            self.cfg_scale,
            self.seed,
            self.width,
            self.height,
            quoted(&self.model),
        );
        if let Some(strength) = self.strength {
            text += &format!(", Denoising strength: {strength}");
        }
        text + &format!(", Version: Emberline {}", self.version)
    }
}

fn theirs<'a>(names: &[(&str, &'a str)], ours: &'a str) -> &'a str {
    names.iter().find(|(name, _)| *name == ours).map_or(ours, |(_, theirs)| theirs)
}

/// A1111 quotes a value that holds a separator, as JSON does.
fn quoted(value: &str) -> String {
    match value.contains([',', ':', '\n', '"']) {
        true => format!("{value:?}"),
        false => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_a1111s() {
        let mut parameters = Parameters {
            prompt: "a red car".to_owned(),
            negative_prompt: String::new(),
            width: 832,
            height: 1216,
            steps: 30,
            cfg_scale: 7.0,
            sampler: "dpmpp_2m".to_owned(),
            scheduler: "karras".to_owned(),
            seed: 42,
            model: "sdxl, base".to_owned(),
            strength: None,
            version: "0.1.0".to_owned(),
        };
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
}
