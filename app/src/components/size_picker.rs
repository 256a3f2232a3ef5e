//! The choice of a picture size: presets as tiles that show their shape, or two numbers.

use super::{Field, field::Bounds};
use crate::form::{CUSTOM, PRESETS, Preset};
use leptos::prelude::*;
use protocol::project::limits;

/// Radio buttons, so that the choice works without script; the custom fields are shown by the style sheet
/// while `custom` is chosen.
#[component]
pub fn SizePicker(
    /// The chosen value at first.
    chosen: String,
    /// Typed width at first.
    width: String,
    /// Typed height at first.
    height: String,
    /// What is wrong with the choice.
    size_error: Signal<Option<String>>,
    /// What is wrong with the width.
    width_error: Signal<Option<String>>,
    /// What is wrong with the height.
    height_error: Signal<Option<String>>,
) -> impl IntoView {
    let bounds = || Bounds { range: limits::SIDE_PX, step: limits::SIDE_STEP_PX };
    view! {
        <fieldset class="sizes">
            <legend>"Picture size"</legend>
            <div class="sizes-grid">
                {PRESETS.iter().map(|preset| tile(preset, chosen == preset.value())).collect_view()}
                <label class="size">
                    <input type="radio" name="size" value=CUSTOM checked=chosen == CUSTOM/>
                    <svg class="size-shape" viewBox="0 0 30 30" aria-hidden="true">
                        <path class="size-outline size-outline-open" d="M3 3h24v24h-24Z"/>
                    </svg>
                    <span class="size-pixels">"Custom"</span>
                    <span class="size-name">"Your own"</span>
                </label>
            </div>
            {move || size_error.get().map(|why| view! { <p class="field-error">"Picture size "{why}"."</p> })}
            <div class="sizes-custom">
                <Field id="project-width" label="Width" name="width" value=width error=width_error bounds=bounds() unit="px"/>
                <Field id="project-height" label="Height" name="height" value=height error=height_error bounds=bounds() unit="px"/>
            </div>
        </fieldset>
    }
}

fn tile(preset: &'static Preset, chosen: bool) -> impl IntoView {
    let Preset { width, height, shape } = *preset;
    // The outline fills four fifths of a square, whatever the picture's size.
    let box_side = width.max(height) * 5 / 4;
    view! {
        <label class="size">
            <input type="radio" name="size" value=preset.value() checked=chosen/>
            <svg class="size-shape" viewBox=format!("0 0 {box_side} {box_side}") aria-hidden="true">
                <rect
                    class="size-outline"
                    x=(box_side - width) / 2
                    y=(box_side - height) / 2
                    width=width
                    height=height
                />
            </svg>
            <span class="size-pixels">{width}" × "{height}</span>
            <span class="size-name">{shape}</span>
        </label>
    }
}
