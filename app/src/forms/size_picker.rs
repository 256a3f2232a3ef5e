//! The choice of a picture size: presets as tiles that show their shape, or a custom width and height.

use super::{Field, Number};
use crate::drafts::{CUSTOM, PRESETS, Preset};
use crate::view::{Erase, dynamic, nothing};
use leptos::prelude::*;
use protocol::project::limits;

/// Radio buttons, so that the choice works without script. The style sheet shows the fields for width and height while
/// `custom` is chosen.
#[component]
pub fn SizePicker(
    /// The initial choice.
    chosen: String,
    /// The error of the choice.
    size_error: Signal<Option<String>>,
    /// The field of the custom width.
    width: Field,
    /// The field of the custom height.
    height: Field,
) -> impl IntoView {
    let side = Number::new(limits::SIDE_PX.start(), limits::SIDE_PX.end(), limits::SIDE_STEP_PX);
    let error = dynamic(move || match size_error.get() {
        Some(why) => view! { <p class="field-error">"Picture size "{why}"."</p> }.erase(),
        None => nothing(),
    });
    view! {
        <fieldset class="sizes">
            <legend>"Picture size"</legend>
            <div class="sizes-grid">
                {PRESETS.iter().map(|preset| tile(preset, chosen == preset.value())).collect::<Vec<_>>()}
                <label class="size">
                    <input type="radio" name="size" value=CUSTOM checked=chosen == CUSTOM/>
                    <svg class="size-shape" viewBox="0 0 30 30" aria-hidden="true">
                        <path class="size-outline size-outline-open" d="M3 3h24v24h-24Z"/>
                    </svg>
                    <span class="size-pixels">"Custom"</span>
                    <span class="size-name">"Your own"</span>
                </label>
            </div>
            {error}
            <div class="sizes-custom">
                {width.quantity(side.clone(), "px")}
                {height.quantity(side, "px")}
            </div>
        </fieldset>
    }
    .erase()
}

fn tile(preset: &'static Preset, chosen: bool) -> AnyView {
    let Preset { width, height, shape } = *preset;
    // The outline fills four fifths of a square for every size.
    let box_side = width.max(height) * 5 / 4;
    view! {
        <label class="size">
            <input type="radio" name="size" value=preset.value() checked=chosen/>
            <svg class="size-shape" viewBox=format!("0 0 {box_side} {box_side}") aria-hidden="true">
                <rect
                    class="size-outline"
                    x=((box_side - width) / 2).to_string()
                    y=((box_side - height) / 2).to_string()
                    width=width.to_string()
                    height=height.to_string()
                />
            </svg>
            <span class="size-pixels">{format!("{width} × {height}")}</span>
            <span class="size-name">{shape}</span>
        </label>
    }
    .erase()
}
