//! The parts of the form that are not needed before a LoRA file is chosen or one of several models: chips, options, and the
//! offer of a distilled file's settings. Their code is in the file `on_demand`, which is loaded when it is needed for the
//! first time.

use super::GenerationForm;
use crate::error::AppError;
use leptos::prelude::*;

/// A part.
#[derive(Clone, Copy)]
pub enum Part {
    /// The chips of the LoRA files.
    Chips,
    /// The options of the field that adds a LoRA file.
    Options,
    /// The offer of a distilled file's settings.
    Preset,
}

#[cfg_attr(
    feature = "split",
    leptos::wasm_split::wasm_split(on_demand, wasm_split_path = leptos::wasm_split, preload(fetch_form), fallible)
)]
fn form_part(form: GenerationForm, part: Part) -> Result<AnyView, AppError> {
    Ok(match part {
        Part::Chips => form.lora_chips(),
        Part::Options => form.lora_options(),
        Part::Preset => form.offered(),
    })
}

/// A part of the form.
#[cfg(not(feature = "split"))]
pub fn part(form: GenerationForm, part: Part) -> AnyView {
    form_part(form, part).unwrap_or_else(|_| crate::view::nothing())
}

/// A part of the form. [`fetch`] has loaded its code, so that the first poll renders it.
#[cfg(feature = "split")]
pub fn part(form: GenerationForm, part: Part) -> AnyView {
    crate::studio::on_demand::now(form_part(form, part))
}

/// Waits until the code is loaded. Fails if the server cannot be reached.
pub async fn fetch() -> Result<(), AppError> {
    #[cfg(feature = "split")]
    fetch_form().await?;
    Ok(())
}
