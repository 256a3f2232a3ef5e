//! Records that are JSON objects, one module per program.

pub(crate) mod draw_things;
pub(crate) mod easy_diffusion;
pub(crate) mod fooocus;
pub(crate) mod invokeai;
pub(crate) mod novelai;
pub(crate) mod swarmui;

use crate::{
    names::even_schedule,
    record::{MODEL_BY_NAME, UNKNOWN},
};
use serde_json::Value;

/// The schedule of diffusers' pipelines for SDXL, unless a sampler's name gives another.
fn diffusers_schedule(_sampler: &str) -> &'static str {
    "leading"
}

/// Why record entries that several programs share are not applied.
fn reason(name: &str) -> &'static str {
    match name {
        "vae" | "vae_name" | "use_vae_model" => "the model's own VAE is used",
        "clip_skip" | "clipskip" | "clipstopatlayer" => "SDXL always uses the last layer but one of its text encoders",
        "styles" => "styles are not applied",
        name if name.starts_with("refiner") => "there is no refiner here",
        name if name.ends_with("hash") => MODEL_BY_NAME,
        _ => UNKNOWN,
    }
}

/// A string inside nested objects.
fn text_at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(value, |value, name| value.get(name))?.as_str()
}
