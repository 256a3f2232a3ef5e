//! Generations: what a person asks for, its bounds, and what it becomes once every blank is filled in.

use crate::{FieldError, FrameId, Problem, Recommended, TakeId, TaskId, prompt::MAX_BREAKS};
use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use crate::project::limits as project_limits;

/// The bounds of a generation's fields; the page's inputs carry the same numbers.
pub mod limits {
    use std::ops::RangeInclusive;

    /// Characters (Unicode scalar values) of a prompt, and of a negative prompt.
    pub const PROMPT_CHARS: usize = 10_000;
    /// Sampling steps.
    pub const STEPS: RangeInclusive<u32> = 1..=1000;
    /// Strength of the guidance; 1 is none.
    pub const CFG_SCALE: RangeInclusive<f64> = 1.0..=30.0;
    /// How much of a start picture is redone.
    pub const STRENGTH: RangeInclusive<f64> = 0.0..=1.0;
    /// The largest seed: the largest integer that JavaScript holds exactly.
    pub const SEED: u64 = (1 << 53) - 1;
    /// Takes that one request makes.
    pub const NUM_VARIANTS: RangeInclusive<u32> = 1..=16;
    /// Tasks that wait at the same time.
    pub const QUEUED_TASKS: usize = 1000;
    /// The least time between two previews, milliseconds.
    pub const PREVIEW_INTERVAL_MS: RangeInclusive<u32> = 0..=2000;
}

/// Sampling methods, by ComfyUI's names.
pub const SAMPLERS: [&str; 15] = [
    "euler",
    "euler_ancestral",
    "heun",
    "dpm_2",
    "dpm_2_ancestral",
    "lms",
    "dpmpp_2s_ancestral",
    "dpmpp_2m",
    "dpmpp_2m_sde",
    "dpmpp_3m_sde",
    "dpmpp_sde",
    "ddim",
    "uni_pc",
    "lcm",
    "ddpm",
];

/// Noise schedules, by ComfyUI's names, and diffusers' timestep spacings: `leading` (its default for SDXL), `linspace`
/// and `trailing`.
pub const SCHEDULERS: [&str; 10] = [
    "normal",
    "karras",
    "exponential",
    "sgm_uniform",
    "simple",
    "ddim_uniform",
    "beta",
    "leading",
    "linspace",
    "trailing",
];

/// How a step's estimate becomes a preview.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PreviewMethod {
    /// `taesd` where the model has one and the device is quick enough, else `latent2rgb`.
    #[default]
    Auto,
    /// A matrix: fast, coarse, at the latent's size.
    #[serde(rename = "latent2rgb")]
    Latent2Rgb,
    /// A tiny decoder: slower, sharper.
    Taesd,
    /// The first preview stays until the picture is there.
    None,
}

impl PreviewMethod {
    /// Every method.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Latent2Rgb, Self::Taesd, Self::None];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Latent2Rgb => "latent2rgb",
            Self::Taesd => "taesd",
            Self::None => "none",
        }
    }
}

/// The body of `POST /projects/{id}/generations`: only the prompt must be there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewGeneration {
    /// What the picture shows.
    #[cfg_attr(feature = "openapi", schemars(length(max = limits::PROMPT_CHARS)))]
    pub prompt: String,
    /// What it does not show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(max = limits::PROMPT_CHARS)))]
    pub negative_prompt: Option<String>,
    /// Sampling steps; by default the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::STEPS.start(), max = *limits::STEPS.end())))]
    pub steps: Option<u32>,
    /// Strength of the guidance; by default the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::CFG_SCALE.start(), max = *limits::CFG_SCALE.end())))]
    pub cfg_scale: Option<f64>,
    /// Sampling method; by default the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = SAMPLERS)))]
    pub sampler: Option<String>,
    /// Noise schedule; by default the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = SCHEDULERS)))]
    pub scheduler: Option<String>,
    /// Seed of the first variant; by default a random one. Further variants count up from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = 0, max = limits::SEED)))]
    pub seed: Option<u64>,
    /// Pixels from left to right; by default the project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *project_limits::SIDE_PX.start(), max = *project_limits::SIDE_PX.end()), extend("multipleOf" = project_limits::SIDE_STEP_PX)))]
    pub width: Option<u32>,
    /// Pixels from top to bottom; by default the project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *project_limits::SIDE_PX.start(), max = *project_limits::SIDE_PX.end()), extend("multipleOf" = project_limits::SIDE_STEP_PX)))]
    pub height: Option<u32>,
    /// Which of the offered models; by default the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How steps become previews; by default the setting's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_method: Option<PreviewMethod>,
    /// The least time between two previews, milliseconds; by default the setting's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::PREVIEW_INTERVAL_MS.start(), max = *limits::PREVIEW_INTERVAL_MS.end())))]
    pub preview_interval_ms: Option<u32>,
    /// A finished take to start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_take_id: Option<TakeId>,
    /// How much of that take is redone, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::STRENGTH.start(), max = *limits::STRENGTH.end())))]
    pub strength: Option<f64>,
    /// The frame that gets new takes; by default a new frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_id: Option<FrameId>,
    /// How many takes; by default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::NUM_VARIANTS.start(), max = *limits::NUM_VARIANTS.end())))]
    pub num_variants: Option<u32>,
}

/// Everything that a picture is made from but its seed, every blank filled in; kept with the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Parameters {
    /// What the picture shows.
    pub prompt: String,
    /// What it does not show; may be empty.
    pub negative_prompt: String,
    /// Sampling steps.
    pub steps: u32,
    /// Strength of the guidance.
    pub cfg_scale: f64,
    /// Sampling method.
    pub sampler: String,
    /// Noise schedule.
    pub scheduler: String,
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// The model's name.
    pub model: String,
    /// How steps become previews.
    pub preview_method: PreviewMethod,
    /// The least time between two previews, milliseconds.
    pub preview_interval_ms: u32,
    /// The take that it starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_take_id: Option<TakeId>,
    /// How much of that take is redone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
}

/// What stands in the model's place for a picture that no model made here: one from a file, or a blank one.
pub const IMPORTED: &str = "imported";

impl Parameters {
    /// Those of an imported picture of this size. They say nothing of how it was made, and keep to every bound.
    pub fn imported(width: u32, height: u32) -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: String::new(),
            steps: *limits::STEPS.start(),
            cfg_scale: *limits::CFG_SCALE.start(),
            sampler: SAMPLERS[0].to_owned(),
            scheduler: SCHEDULERS[0].to_owned(),
            width,
            height,
            model: IMPORTED.to_owned(),
            preview_method: PreviewMethod::default(),
            preview_interval_ms: *limits::PREVIEW_INTERVAL_MS.start(),
            init_take_id: None,
            strength: None,
        }
    }

    /// Whether they are of an imported picture: all but its size is made up, and no model can be asked for it again.
    pub fn is_imported(&self) -> bool {
        self.model == IMPORTED
    }

    /// What in the prompts is read as words, by field. Emberline did not read those of an imported picture.
    pub fn warnings(&self) -> Vec<FieldError> {
        match self.is_imported() {
            true => Vec::new(),
            false => crate::prompt::warnings(&self.prompt, &self.negative_prompt),
        }
    }
}

/// What blanks of a [`NewGeneration`] are filled with: a model's recommended settings, a project's size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Defaults {
    /// The model's settings, with the project's picture size.
    pub recommended: Recommended,
    /// The model's name.
    pub model: String,
    /// How steps become previews.
    pub preview_method: PreviewMethod,
    /// The least time between two previews, milliseconds.
    pub preview_interval_ms: u32,
}

/// How much of a start picture is redone when nothing is said.
pub const DEFAULT_STRENGTH: f64 = 0.6;

impl NewGeneration {
    /// A generation of this prompt, everything else by default.
    pub fn of(prompt: impl Into<String>) -> Self {
        Self { prompt: prompt.into(), ..Self::default() }
    }

    /// Every field that is out of bounds; empty when all is well. Whether ids and the model exist is not
    /// judged here.
    pub fn errors(&self) -> Vec<FieldError> {
        let name = |field, value: &Option<String>, known: &[&str]| {
            let value = value.as_deref().filter(|value| !known.contains(value))?;
            Some(FieldError::new(field, format!("must be one of {}, not {:?}", known.join(", "), shortened(value))))
        };
        let number = |field, bad: Option<String>| bad.map(|value| out_of_bounds(field, &value));
        let side = |field, px: Option<u32>| px.and_then(|px| crate::project::side_error(field, px));
        [
            prompt_error("prompt", &self.prompt),
            self.negative_prompt.as_deref().and_then(|prompt| prompt_error("negative_prompt", prompt)),
            number("steps", self.steps.filter(|n| !limits::STEPS.contains(n)).map(|n| n.to_string())),
            number("cfg_scale", self.cfg_scale.filter(|x| !limits::CFG_SCALE.contains(x)).map(|x| x.to_string())),
            name("sampler", &self.sampler, &SAMPLERS),
            name("scheduler", &self.scheduler, &SCHEDULERS),
            number("seed", self.last_seed().filter(|n| *n > limits::SEED).map(|n| n.to_string())),
            side("width", self.width),
            side("height", self.height),
            number(
                "preview_interval_ms",
                self.preview_interval_ms.filter(|n| !limits::PREVIEW_INTERVAL_MS.contains(n)).map(|n| n.to_string()),
            ),
            number("strength", self.strength.filter(|x| !limits::STRENGTH.contains(x)).map(|x| x.to_string())),
            self.strength
                .filter(|_| self.init_take_id.is_none())
                .map(|_| FieldError::new("strength", "needs a take to start from: init_take_id is missing")),
            number(
                "num_variants",
                self.num_variants.filter(|n| !limits::NUM_VARIANTS.contains(n)).map(|n| n.to_string()),
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The parameters of its takes, blanks filled in, or every field that is out of bounds.
    pub fn resolved(&self, defaults: &Defaults) -> Result<Parameters, Problem> {
        let errors = self.errors();
        if !errors.is_empty() {
            return Err(Problem::Invalid(errors));
        }
        let text = |value: &Option<String>, default: &str| value.clone().unwrap_or_else(|| default.to_owned());
        let of = &defaults.recommended;
        Ok(Parameters {
            prompt: self.prompt.trim().to_owned(),
            negative_prompt: self.negative_prompt.as_deref().unwrap_or_default().trim().to_owned(),
            steps: self.steps.unwrap_or(of.steps),
            cfg_scale: self.cfg_scale.unwrap_or(of.cfg_scale),
            sampler: text(&self.sampler, &of.sampler),
            scheduler: text(&self.scheduler, &of.scheduler),
            width: self.width.unwrap_or(of.width),
            height: self.height.unwrap_or(of.height),
            model: text(&self.model, &defaults.model),
            preview_method: self.preview_method.unwrap_or(defaults.preview_method),
            preview_interval_ms: self.preview_interval_ms.unwrap_or(defaults.preview_interval_ms),
            init_take_id: self.init_take_id,
            strength: self.init_take_id.map(|_| self.strength.unwrap_or(DEFAULT_STRENGTH)),
        })
    }

    /// How many takes it makes.
    pub fn variants(&self) -> u32 {
        self.num_variants.unwrap_or(1)
    }

    fn last_seed(&self) -> Option<u64> {
        self.seed.map(|seed| seed.saturating_add(u64::from(self.variants().saturating_sub(1))))
    }
}

/// What a field takes, for a value that is not even of the field's type (a text as steps, -1).
pub fn expected(field: &str) -> Option<String> {
    Some(match field {
        "prompt" | "negative_prompt" => format!("must be a text of at most {} characters", limits::PROMPT_CHARS),
        "width" | "height" => return crate::project::expected(field),
        "sampler" => format!("must be one of {}", SAMPLERS.join(", ")),
        "scheduler" => format!("must be one of {}", SCHEDULERS.join(", ")),
        "preview_method" => format!("must be one of {}", PreviewMethod::ALL.map(PreviewMethod::as_str).join(", ")),
        "model" => "must be the name of a model of GET /models".to_owned(),
        "init_take_id" | "frame_id" => "must be an id, a whole number".to_owned(),
        _ => return rule(field),
    })
}

/// The bounds of a number in words.
fn rule(field: &str) -> Option<String> {
    let whole = |least: u64, most: u64| Some(format!("must be a whole number from {least} to {most}"));
    let number = |bounds: &std::ops::RangeInclusive<f64>| {
        Some(format!("must be a number from {} to {}", bounds.start(), bounds.end()))
    };
    match field {
        "steps" => whole(1, u64::from(*limits::STEPS.end())),
        "cfg_scale" => number(&limits::CFG_SCALE),
        "strength" => number(&limits::STRENGTH),
        "seed" => whole(0, limits::SEED),
        "num_variants" => whole(1, u64::from(*limits::NUM_VARIANTS.end())),
        "preview_interval_ms" => whole(0, u64::from(*limits::PREVIEW_INTERVAL_MS.end())),
        _ => None,
    }
}

fn out_of_bounds(field: &str, value: &str) -> FieldError {
    FieldError::new(field, format!("{}, not {value}", rule(field).unwrap_or_default()))
}

fn prompt_error(field: &str, prompt: &str) -> Option<FieldError> {
    let count = prompt.chars().count();
    let message = match () {
        () if count > limits::PROMPT_CHARS => {
            format!("must be at most {} characters long, not {count}", limits::PROMPT_CHARS)
        }
        () if crate::prompt::breaks(prompt) > MAX_BREAKS => {
            format!("must have at most {MAX_BREAKS} BREAKs, not {}", crate::prompt::breaks(prompt))
        }
        // PostgreSQL stores no NUL in a text.
        () if prompt.contains('\0') => "must not contain the character NUL".to_owned(),
        () => return None,
    };
    Some(FieldError::new(field, message))
}

fn shortened(value: &str) -> String {
    value.chars().take(40).collect()
}

/// How long a prompt is to the text encoders, which take it in chunks of 75 tokens, and what of both prompts they read
/// otherwise than other programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCount {
    /// Tokens of the text.
    pub tokens: u32,
    /// Chunks that they fill.
    pub chunks: u32,
    /// What is read as words, by field; see [`crate::prompt::warnings`].
    pub warnings: Vec<FieldError>,
}

/// What `POST /projects/{id}/generations` answers with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Accepted {
    /// One for each take, in the order of their seeds.
    pub tasks: Vec<AcceptedTask>,
    /// What in the prompts is read as words, by field: the pictures may not be what was meant.
    #[serde(default)]
    pub warnings: Vec<FieldError>,
}

/// One accepted task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AcceptedTask {
    /// The task.
    pub task_id: TaskId,
    /// The frame that it makes a picture for.
    pub frame_id: FrameId,
    /// The picture that it makes.
    pub take_id: TakeId,
    /// URL path of its preview, later its picture; the first preview is there already.
    pub preview_path: String,
    /// What its noise is drawn from.
    #[serde(default)]
    pub seed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Defaults {
        Defaults {
            recommended: Recommended {
                width: 128,
                height: 192,
                steps: 20,
                cfg_scale: 4.0,
                sampler: "euler".into(),
                scheduler: "leading".into(),
            },
            model: "starter".into(),
            preview_method: PreviewMethod::Auto,
            preview_interval_ms: 0,
        }
    }

    fn bad_fields(new: &NewGeneration) -> Vec<String> {
        let problem = new.resolved(&defaults()).expect_err("out of bounds");
        problem.field_errors().iter().map(|error| error.field.clone()).collect()
    }

    #[test]
    fn blanks_are_filled_in_and_what_is_said_stays() {
        let new = NewGeneration { steps: Some(7), height: Some(64), ..NewGeneration::of(" a red car\n") };
        let made = new.resolved(&defaults()).expect("good");
        assert_eq!((made.prompt.as_str(), made.steps, made.width, made.height), ("a red car", 7, 128, 64));
        assert_eq!((made.model.as_str(), made.strength), ("starter", None));
        let from_take = NewGeneration { init_take_id: Some(TakeId(3)), ..new };
        assert_eq!(from_take.resolved(&defaults()).expect("good").strength, Some(DEFAULT_STRENGTH));
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        let new = NewGeneration {
            prompt: "x".repeat(limits::PROMPT_CHARS + 1),
            negative_prompt: Some("\0".into()),
            steps: Some(0),
            cfg_scale: Some(f64::NAN),
            sampler: Some("eulr".into()),
            scheduler: Some(String::new()),
            seed: Some(limits::SEED + 1),
            width: Some(1001),
            height: Some(4096),
            preview_interval_ms: Some(2001),
            strength: Some(1.5),
            num_variants: Some(17),
            ..NewGeneration::default()
        };
        let all = "prompt negative_prompt steps cfg_scale sampler scheduler seed width height preview_interval_ms \
                   strength strength num_variants";
        assert_eq!(bad_fields(&new).join(" "), all);
    }

    #[test]
    fn the_last_variants_seed_is_in_bounds_too() {
        let new = |variants| NewGeneration {
            seed: Some(limits::SEED - 1),
            num_variants: Some(variants),
            ..NewGeneration::of("x")
        };
        new(2).resolved(&defaults()).expect("the last seed is the largest");
        assert_eq!(bad_fields(&new(3)), ["seed"]);
    }

    #[test]
    fn an_imported_pictures_parameters_keep_to_every_bound() {
        let of = Parameters::imported(2048, 64);
        let new = NewGeneration {
            negative_prompt: Some(of.negative_prompt.clone()),
            steps: Some(of.steps),
            cfg_scale: Some(of.cfg_scale),
            sampler: Some(of.sampler.clone()),
            scheduler: Some(of.scheduler.clone()),
            width: Some(of.width),
            height: Some(of.height),
            model: Some(of.model.clone()),
            preview_method: Some(of.preview_method),
            preview_interval_ms: Some(of.preview_interval_ms),
            ..NewGeneration::of(of.prompt.clone())
        };
        let resolved = new.resolved(&defaults()).expect("good");
        assert_eq!(resolved, of);
        assert!(of.is_imported());
        assert!(!NewGeneration::of("x").resolved(&defaults()).expect("good").is_imported());
    }

    #[test]
    fn messages_tell_the_limit() {
        let new = NewGeneration { steps: Some(1001), ..NewGeneration::of("x") };
        assert_eq!(new.errors()[0].message, "must be a whole number from 1 to 1000, not 1001");
        assert_eq!(expected("steps").expect("known"), "must be a whole number from 1 to 1000");
        assert_eq!(expected("colour"), None);
    }
}
