//! Options of `emberline generate`. Values are validated before the model is loaded.

use super::lora::LoraArg;
use crate::commands::{library::FOLDERS, model::ModelChoice, settings::Recommended};
use anyhow::Result;
use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use generation::{
    DEFAULT_STRENGTH, GenerationParameters, Loras, PartialParameters, Prediction, PreviewMethod, PromptSyntax,
    Recommended as Settings, Sampler, Schedule, Value, limits, rule,
};
use sdxl::{DeviceChoice, Precision};
use std::{fmt::Display, path::PathBuf, str::FromStr};

/// Options of `emberline generate`.
#[derive(Clone, Debug, Args)]
#[command(args_override_self = true)]
pub struct GenerateArgs {
    /// Prompt: what the picture shows.
    #[arg(long, env = "EMBERLINE_PROMPT", value_name = "TEXT", value_parser = prompt)]
    pub prompt: String,

    /// Output PNG. The file appears only when it is complete.
    #[arg(long, env = "EMBERLINE_OUT", value_name = "FILE.png")]
    pub out: PathBuf,

    /// Negative prompt: what the picture does not show.
    #[arg(long, env = "EMBERLINE_NEGATIVE_PROMPT", value_name = "TEXT", default_value = "", value_parser = prompt)]
    pub negative_prompt: String,

    /// Prompt syntax: a1111 reads (word), (word:1.2), [word] as emphasis and BREAK as the end of a chunk; plain reads
    /// the text literally.
    #[arg(long, env = "EMBERLINE_PROMPT_SYNTAX", value_name = "a1111|plain", default_value = "a1111")]
    pub prompt_syntax: PromptSyntax,

    /// Folder of wildcard files: `__hair/color__` in a prompt is a random line of `hair/color.txt`.
    #[arg(long, env = "EMBERLINE_WILDCARDS", value_name = "DIR")]
    pub wildcards: Option<PathBuf>,

    /// The model: an SDXL .safetensors file, a diffusers folder, a folder with one of either, or `starter`, the small
    /// embedded model.
    #[arg(long, env = "EMBERLINE_MODEL", value_name = "PATH", default_value_t)]
    pub model: ModelChoice,

    /// Folders of models: `--model` may then be the name of a checkpoint in them. Repeat the option for several folders.
    #[arg(long, env = "EMBERLINE_MODELS", value_name = "DIR", value_delimiter = FOLDERS)]
    pub models: Vec<PathBuf>,

    /// Load the preview decoder from this file or folder (diffusers' AutoencoderTiny, or the original taesdxl file).
    #[arg(long, env = "EMBERLINE_TAESD", value_name = "PATH")]
    pub taesd: Option<PathBuf>,

    /// LoRA file, by path, by its name in the library of `--models`, or by its name in the model's folder or in a folder `loras`
    /// or `Lora` near it; with its weights for the UNet and for the text encoders (by default 1, and as for the UNet). Repeat the option for several files.
    #[arg(long, env = "EMBERLINE_LORA", value_name = "NAME_OR_PATH[:UNET[:TEXT]]")]
    pub lora: Vec<LoraArg>,

    /// Load the VAE from this file or folder.
    #[arg(long, env = "EMBERLINE_VAE", value_name = "PATH")]
    pub vae: Option<PathBuf>,

    /// What the UNet predicts; overrides the checkpoint's own setting.
    #[arg(long, env = "EMBERLINE_PREDICTION", value_parser = prediction())]
    pub prediction: Option<Prediction>,

    /// Pixels from left to right.
    #[arg(long, env = "EMBERLINE_WIDTH", value_name = "N", help = with_default("Pixels from left to right: a multiple of 8, 64 to 2048", |s| s.width), value_parser = side)]
    pub width: Option<u32>,

    /// Pixels from top to bottom: a multiple of 8, 64 to 2048.
    #[arg(long, env = "EMBERLINE_HEIGHT", value_name = "N", help = with_default("Pixels from top to bottom: a multiple of 8, 64 to 2048", |s| s.height), value_parser = side)]
    pub height: Option<u32>,

    /// Sampling steps, 1 to 1000.
    #[arg(long, env = "EMBERLINE_STEPS", value_name = "N", help = with_default("Sampling steps, 1 to 1000", |s| s.steps), value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub steps: Option<u32>,

    /// Strength of the guidance, 0 to 30. Up to 1 there is none.
    #[arg(long, env = "EMBERLINE_CFG_SCALE", value_name = "X", help = with_default("Strength of the guidance, 0 to 30; up to 1 there is none", |s| s.cfg_scale), value_parser = cfg_scale)]
    pub cfg_scale: Option<f64>,

    /// Share of the guided prediction's contrast that is removed, 0 to 1; 0.7 suits models with zero terminal SNR
    /// [default: 0]
    #[arg(long, env = "EMBERLINE_CFG_RESCALE", value_name = "X", value_parser = cfg_rescale)]
    pub cfg_rescale: Option<f64>,

    /// Sampling method, by ComfyUI's name.
    #[arg(long, env = "EMBERLINE_SAMPLER", value_name = "NAME", help = with_default("Sampling method, by ComfyUI's name", |s| s.sampler))]
    pub sampler: Option<Sampler>,

    /// Noise schedule, by ComfyUI's name, or diffusers' `leading` (its default for SDXL), `linspace`, `trailing` or `lcm`.
    #[arg(long, env = "EMBERLINE_SCHEDULER", value_name = "NAME", help = with_default("Noise schedule, by ComfyUI's name, or diffusers' `leading` (its default for SDXL), `linspace`, `trailing` or `lcm`", |s| s.scheduler))]
    pub scheduler: Option<Schedule>,

    /// Seed of the noise, 0 to 2^53-1 [default: a random one]
    #[arg(long, env = "EMBERLINE_SEED", value_name = "N", value_parser = clap::value_parser!(u64).range(0..=limits::SEED))]
    pub seed: Option<u64>,

    /// Initial picture (PNG, JPEG, WebP).
    #[arg(long, env = "EMBERLINE_INIT_IMAGE", value_name = "FILE")]
    pub init_image: Option<PathBuf>,

    /// How much of the initial picture is redrawn, 0 to 1.
    #[arg(long, env = "EMBERLINE_STRENGTH", value_name = "X", default_value_t = DEFAULT_STRENGTH, value_parser = strength)]
    pub strength: f64,

    /// Compute device; auto selects a hardware GPU, otherwise the CPU.
    #[arg(long, env = "EMBERLINE_DEVICE", value_name = "auto|cpu|wgpu|wgpu:N", default_value = "auto")]
    pub device: DeviceChoice,

    /// Number type of the UNet and text encoders [default: f16 on a GPU that supports it, else f32]
    #[arg(long, env = "EMBERLINE_DTYPE", value_name = "f32|f16|bf16")]
    pub dtype: Option<Precision>,

    /// Method that turns each step's estimate into a preview.
    #[arg(long, env = "EMBERLINE_PREVIEW", value_name = "auto|latent2rgb|taesd|none", default_value_t)]
    pub preview: PreviewMethod,

    /// Write each step's preview to this folder as `step_0001.png` and so on.
    #[arg(long, env = "EMBERLINE_PREVIEW_DIR", value_name = "DIR")]
    pub preview_dir: Option<PathBuf>,

    /// Start from the tensor `initial_noise` in this file instead of noise from the seed.
    #[arg(long, env = "EMBERLINE_LATENTS", value_name = "FILE.safetensors")]
    pub latents: Option<PathBuf>,

    /// Write embeddings, sigmas, noise, latents and picture to this file, in f32.
    #[arg(long, env = "EMBERLINE_DUMP", value_name = "FILE.safetensors")]
    pub dump: Option<PathBuf>,

    /// Print only one JSON object about the run on standard output.
    #[arg(long, env = "EMBERLINE_JSON")]
    pub json: bool,
}

impl GenerateArgs {
    /// Parameters from the options. Missing options take the model's recommended settings.
    ///
    /// # Errors
    /// Every option whose value is out of range.
    pub fn parameters(&self, recommended: &Recommended, loras: &Loras) -> Result<GenerationParameters> {
        let asked = PartialParameters {
            prompt: Some(self.prompt.clone()),
            negative_prompt: Some(self.negative_prompt.clone()),
            width: self.width,
            height: self.height,
            steps: self.steps,
            cfg_scale: self.cfg_scale,
            cfg_rescale: self.cfg_rescale,
            loras: Some(loras.clone()),
            sampler: self.sampler.map(Into::into),
            scheduler: self.scheduler.map(Into::into),
            ..PartialParameters::default()
        };
        asked.resolve(recommended.settings()).map_err(|errors| sdxl::Error::Params(errors).into())
    }

    /// Whether options override the setting that a checkpoint's note is about.
    pub fn decides(&self, field: &str) -> bool {
        match field {
            "size" => self.width.is_some() && self.height.is_some(),
            "steps" => self.steps.is_some(),
            "sampler" => self.sampler.is_some(),
            "scheduler" => self.scheduler.is_some(),
            _ => false,
        }
    }
}

/// Help text of an option whose default depends on the model.
fn with_default<T: Display + PartialEq>(help: &str, field: impl Fn(&Settings) -> T) -> String {
    let any = field(&Settings::default());
    let starter = field(&starter_model::card().recommended);
    match starter == any {
        true => format!("{help} [default: the checkpoint's own, else {any}]"),
        false => format!("{help} [default: the checkpoint's own, else {any}; {starter} for the starter model]"),
    }
}

/// Reads a prediction type by its short name.
fn prediction() -> impl TypedValueParser<Value = Prediction> {
    let names = Prediction::ALL.iter().map(|prediction| {
        PossibleValue::new(prediction.short_name()).help(match prediction {
            Prediction::Epsilon => "The noise (epsilon)",
            Prediction::V => "The velocity (v-prediction)",
        })
    });
    PossibleValuesParser::new(names).map(|name| match name.as_str() {
        "v" => Prediction::V,
        _ => Prediction::Epsilon,
    })
}

/// Reads an option's value and checks it against the field's rule.
fn checked<T: FromStr>(field: &str, text: &str) -> Result<T, String>
where
    for<'a> Value<'a>: From<&'a T>,
{
    let rule = rule(field).ok_or_else(|| format!("{field} has no rule"))?;
    let value: T = text.parse().map_err(|_| rule.expected())?;
    rule.check(Value::from(&value)).map_or(Ok(value), Err)
}

fn prompt(text: &str) -> Result<String, String> {
    checked("prompt", text)
}

fn side(text: &str) -> Result<u32, String> {
    checked("width", text)
}

fn cfg_scale(text: &str) -> Result<f64, String> {
    checked("cfg_scale", text)
}

fn cfg_rescale(text: &str) -> Result<f64, String> {
    checked("cfg_rescale", text)
}

fn strength(text: &str) -> Result<f64, String> {
    checked("strength", text)
}
