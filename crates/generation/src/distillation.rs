//! Models and LoRA files that were distilled to a few steps, and the settings that they need.

use crate::{Sampler, Schedule, names::named};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

named! {
    /// How a model or a LoRA file was distilled to a few steps. A number is the number of steps of the file.
    Distillation, "distillation":
    /// SDXL-Lightning for 2 steps (Lin et al. 2024).
    Lightning2 = "lightning-2",
    /// SDXL-Lightning for 4 steps.
    Lightning4 = "lightning-4",
    /// SDXL-Lightning for 8 steps.
    Lightning8 = "lightning-8",
    /// Latent consistency (Luo et al. 2023): 2 to 8 steps.
    Lcm = "lcm",
    /// Trajectory consistency (Zheng et al. 2024): 2 to 8 steps.
    Tcd = "tcd",
    /// Hyper-SD for 2 steps (Ren et al. 2024).
    Hyper2 = "hyper-2",
    /// Hyper-SD for 4 steps.
    Hyper4 = "hyper-4",
    /// Hyper-SD for 8 steps.
    Hyper8 = "hyper-8",
    /// Hyper-SD for 8 steps with guidance.
    Hyper8Cfg = "hyper-8-cfg",
    /// Hyper-SD for 12 steps with guidance.
    Hyper12Cfg = "hyper-12-cfg",
    /// Hyper-SD's "1-step unified" file: 1 to 8 steps.
    HyperUnified = "hyper-unified",
    /// DMD2 for 4 steps (Yin et al. 2024).
    Dmd2 = "dmd2",
    /// Phased consistency (Wang et al. 2024) for 2 steps.
    Pcm2 = "pcm-2",
    /// Phased consistency for 4 steps.
    Pcm4 = "pcm-4",
    /// Phased consistency for 8 steps.
    Pcm8 = "pcm-8",
    /// Phased consistency for 16 steps.
    Pcm16 = "pcm-16",
    /// Phased consistency for 4 steps with guidance.
    Pcm4Cfg = "pcm-4-cfg",
    /// Phased consistency for 8 steps with guidance.
    Pcm8Cfg = "pcm-8-cfg",
    /// Phased consistency for 16 steps with guidance.
    Pcm16Cfg = "pcm-16-cfg",
    /// SDXL Turbo (Sauer et al. 2023): 1 to 4 steps, 512 x 512 pixels.
    Turbo = "turbo",
}

/// Settings of a generation with a distilled model or LoRA file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DistilledSettings {
    /// Sampling steps.
    pub steps: u32,
    /// Guidance scale.
    pub cfg_scale: f64,
    /// Sampling method.
    pub sampler: Sampler,
    /// Noise schedule.
    pub scheduler: Schedule,
}

impl Distillation {
    /// The settings that its authors recommend: the example code of the model card, in Emberline's names.
    ///
    /// Lightning, Hyper-SD, DMD2 and PCM were trained at diffusers' `trailing` timesteps. For 4 steps these are 999, 749,
    /// 499 and 249, which DMD2's card lists. LCM and TCD were trained at those of the schedule `lcm`. PCM's values of
    /// guidance are those of its demo.
    pub fn settings(self) -> DistilledSettings {
        use Schedule::{Lcm, Trailing};
        let (steps, sampler, scheduler, cfg_scale) = match self {
            Self::Lightning2 | Self::Hyper2 | Self::Pcm2 => (2, Sampler::Euler, Trailing, 1.0),
            Self::Lightning4 | Self::Hyper4 | Self::Pcm4 => (4, Sampler::Euler, Trailing, 1.0),
            Self::Lightning8 | Self::Hyper8 | Self::Pcm8 => (8, Sampler::Euler, Trailing, 1.0),
            Self::Pcm16 => (16, Sampler::Euler, Trailing, 1.0),
            Self::Hyper8Cfg => (8, Sampler::Euler, Trailing, 5.0),
            Self::Hyper12Cfg => (12, Sampler::Euler, Trailing, 5.0),
            Self::Pcm4Cfg => (4, Sampler::Euler, Trailing, 7.5),
            Self::Pcm8Cfg => (8, Sampler::Euler, Trailing, 7.5),
            Self::Pcm16Cfg => (16, Sampler::Euler, Trailing, 7.5),
            Self::Dmd2 => (4, Sampler::Lcm, Trailing, 1.0),
            Self::Turbo => (4, Sampler::EulerAncestral, Trailing, 1.0),
            Self::Lcm => (4, Sampler::Lcm, Lcm, 1.0),
            Self::Tcd | Self::HyperUnified => (4, Sampler::Tcd, Lcm, 1.0),
        };
        DistilledSettings { steps, cfg_scale, sampler, scheduler }
    }

    /// Recognises a checkpoint or a LoRA file from its name without extension and the metadata of its header. Returns
    /// `None` for a file that is not distilled, and where the evidence is ambiguous.
    ///
    /// Distilled weights have the shapes of other weights, so names are the only evidence. The file's name comes first,
    /// then the names that trainers store in the metadata: `modelspec.title` and `ss_output_name`. Descriptions and
    /// training prompts are not read.
    pub fn detect(file_stem: &str, metadata: &BTreeMap<String, String>) -> Option<Self> {
        let stored = ["modelspec.title", "ss_output_name"].into_iter().filter_map(|key| metadata.get(key));
        std::iter::once(file_stem).chain(stored.map(String::as_str)).find_map(Self::from_name)
    }

    /// Recognises a name. Files by their publishers, and fine-tuned checkpoints named after them:
    ///
    /// | name | source |
    /// | --- | --- |
    /// | `sdxl_lightning_4step_lora`, `dreamshaperXL_lightning` | ByteDance/SDXL-Lightning |
    /// | `Hyper-SDXL-8steps-lora`, `Hyper-SDXL-8steps-CFG-lora`, `Hyper-SDXL-1step-lora` | ByteDance/Hyper-SD |
    /// | `lcm-lora-sdxl`, `LCM_LoRA_Weights_SDXL` | latent-consistency/lcm-lora-sdxl |
    /// | `TCD-SDXL-LoRA` | h1t/TCD-SDXL-LoRA |
    /// | `dmd2_sdxl_4step_lora_fp16` | tianweiy/DMD2 |
    /// | `pcm_sdxl_smallcfg_4step_converted`, `pcm_sdxl_lcmlike_lora_converted` | wangfuyun/PCM_Weights |
    /// | `sd_xl_turbo_1.0_fp16`, `sdxl_turbo_lora` | stabilityai/sdxl-turbo |
    ///
    /// Only whole words count: `enlightening` is not Lightning. A name with words of two methods, as of a merge, returns
    /// `None`. So does a file without a known number of steps, where its method has several, except for a Lightning
    /// checkpoint: most are made for 4. `lightning` and `turbo` are ordinary words, so the name must also say XL.
    fn from_name(name: &str) -> Option<Self> {
        let words = words(name);
        let has = |word: &str| words.iter().any(|known| known == word);
        let methods = ["lightning", "hyper", "lcm", "tcd", "dmd2", "pcm", "turbo"];
        let mut found = methods.into_iter().filter(|method| has(method));
        let method = found.next().filter(|_| found.next().is_none())?;
        let is_xl = words.iter().any(|word| word.ends_with("xl"));
        let guided = has("cfg") || has("normalcfg");
        Some(match (method, steps(&words), guided) {
            ("lightning", Some(2), _) => Self::Lightning2,
            ("lightning", Some(4), _) => Self::Lightning4,
            ("lightning", Some(8), _) => Self::Lightning8,
            ("lightning", None, _) if is_xl => Self::Lightning4,
            ("lcm", ..) => Self::Lcm,
            ("tcd", ..) => Self::Tcd,
            ("hyper", Some(1), false) => Self::HyperUnified,
            ("hyper", Some(2), false) => Self::Hyper2,
            ("hyper", Some(4), false) => Self::Hyper4,
            ("hyper", Some(8), false) => Self::Hyper8,
            ("hyper", Some(8), true) => Self::Hyper8Cfg,
            ("hyper", Some(12), _) => Self::Hyper12Cfg,
            ("dmd2", Some(4) | None, _) => Self::Dmd2,
            ("pcm", None, _) if has("lcmlike") => Self::Lcm,
            ("pcm", Some(2), false) => Self::Pcm2,
            ("pcm", Some(4), false) => Self::Pcm4,
            ("pcm", Some(8), false) => Self::Pcm8,
            ("pcm", Some(16), false) => Self::Pcm16,
            ("pcm", Some(4), true) => Self::Pcm4Cfg,
            ("pcm", Some(8), true) => Self::Pcm8Cfg,
            ("pcm", Some(16), true) => Self::Pcm16Cfg,
            ("turbo", ..) if is_xl => Self::Turbo,
            _ => return None,
        })
    }
}

/// Characters of a name that are read. Metadata may be long.
const MOST_CHARS: usize = 255;

/// The words of a name, in lower case. A word also ends between letters and digits, and before a capital letter after a
/// small one: `dreamshaperXL_v21TurboDPMSDE` has the word `turbo`. `DMD2` is one word.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars().take(MOST_CHARS) {
        let is_dmd2 = c == '2' && words.last().is_some_and(|word| word == "dmd");
        let changes = c.is_ascii_digit() != before.is_ascii_digit() || (before.is_lowercase() && c.is_uppercase());
        if !c.is_alphanumeric() || (changes && !is_dmd2) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The number before the word "step" or "steps".
fn steps(words: &[String]) -> Option<u32> {
    let place = words.iter().position(|word| word == "step" || word == "steps")?;
    words[..place].last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Option<&'static str> {
        Distillation::detect(name, &BTreeMap::new()).map(Distillation::as_str)
    }

    #[test]
    fn published_files_are_recognised_by_name() {
        for (name, expected) in [
            ("sdxl_lightning_2step_lora", "lightning-2"),
            ("sdxl_lightning_4step_lora", "lightning-4"),
            ("sdxl_lightning_8step", "lightning-8"),
            ("dreamshaperXL_lightningDPMSDE", "lightning-4"),
            ("realvisxlV40_v40LightningBakedvae", "lightning-4"),
            ("Hyper-SDXL-1step-lora", "hyper-unified"),
            ("Hyper-SDXL-2steps-lora", "hyper-2"),
            ("Hyper-SDXL-8steps-lora", "hyper-8"),
            ("Hyper-SDXL-8steps-CFG-lora", "hyper-8-cfg"),
            ("Hyper-SDXL-12steps-CFG-lora", "hyper-12-cfg"),
            ("lcm-lora-sdxl", "lcm"),
            ("LCM_LoRA_Weights_SDXL", "lcm"),
            ("TCD-SDXL-LoRA", "tcd"),
            ("dmd2_sdxl_4step_lora_fp16", "dmd2"),
            ("DMD2_SDXL", "dmd2"),
            ("pcm_sdxl_smallcfg_2step_converted", "pcm-2"),
            ("pcm_sdxl_normalcfg_16step_converted", "pcm-16-cfg"),
            ("pcm_sdxl_lcmlike_lora_converted", "lcm"),
            ("sd_xl_turbo_1.0_fp16", "turbo"),
            ("dreamshaperXL_v21TurboDPMSDE", "turbo"),
        ] {
            assert_eq!(named(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn other_names_are_not_recognised() {
        let long = "x".repeat(300) + "-lcm";
        for name in [
            "",
            "sd_xl_base_1.0",
            "enlightening_sdxl",
            "lightning_strikes",
            "turbo_engine_style",
            "HyperRealisticXL",
            "hyper_portrait-2000steps",
            "hyper_portrait_step00008",
            "sdxl_lightning_1step_x0",
            "pcm_sdxl_smallcfg_3step",
            "lcm_turbo_sdxl_merge",
            "pytorch_lora_weights",
            &long,
        ] {
            assert_eq!(named(name), None, "{name}");
        }
    }

    #[test]
    fn the_name_in_the_metadata_counts_after_the_files_own() {
        let title = |title: &str| BTreeMap::from([("modelspec.title".to_owned(), title.to_owned())]);
        let detect = |stem, metadata: &_| Distillation::detect(stem, metadata);
        assert_eq!(detect("pytorch_lora_weights", &title("lcm-lora-sdxl")), Some(Distillation::Lcm));
        assert_eq!(detect("TCD-SDXL-LoRA", &title("lcm-lora-sdxl")), Some(Distillation::Tcd));
        let said = BTreeMap::from([("modelspec.description".to_owned(), "use with lcm-lora-sdxl".to_owned())]);
        assert_eq!(detect("portrait", &said), None);
    }

    #[test]
    fn settings_are_within_the_limits_of_a_request() {
        for distillation in Distillation::ALL {
            let settings = distillation.settings();
            assert!(crate::limits::STEPS.contains(&settings.steps), "{distillation}");
            assert!(crate::limits::CFG_SCALE.contains(&settings.cfg_scale), "{distillation}");
            let digits = distillation.as_str().split('-').find_map(|word| word.parse::<u32>().ok());
            assert_eq!(digits.unwrap_or(settings.steps), settings.steps, "{distillation}");
            assert_eq!(settings.cfg_scale > 1.0, distillation.as_str().ends_with("cfg"), "{distillation}");
        }
    }
}
