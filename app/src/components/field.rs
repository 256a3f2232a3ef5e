//! A labelled input with its error, and a message above a form.

use crate::error::sentence;
use leptos::{html, prelude::*, wasm_bindgen::JsCast, web_sys};
use std::ops::RangeInclusive;

/// The bounds of a number field; its arrows go by the step.
#[derive(Clone)]
pub struct Bounds {
    /// Least and most.
    pub range: RangeInclusive<u32>,
    /// From one value to the next.
    pub step: u32,
}

/// A label, an input, and under it what the server says of it. The server's words are the only ones: its
/// form is `novalidate`, so that the browser's own, different in each, do not come before them.
#[component]
pub fn Field(
    /// Unique on the page.
    #[prop(into)]
    id: String,
    /// What the field is called, for people.
    label: &'static str,
    /// What it is called in the form.
    name: &'static str,
    /// What it starts with.
    #[prop(into)]
    value: String,
    /// What is wrong with it, without its name: `must not be empty`.
    #[prop(into)]
    error: Signal<Option<String>>,
    /// Makes it a number field.
    #[prop(optional, into)]
    bounds: Option<Bounds>,
    /// The unit, behind the input.
    #[prop(optional)]
    unit: &'static str,
) -> impl IntoView {
    let error_id = format!("{id}-error");
    let described_by = error_id.clone();
    let min = bounds.as_ref().map(|b| *b.range.start());
    let max = bounds.as_ref().map(|b| *b.range.end());
    let step = bounds.map(|b| b.step);
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <div class="field-input">
                <input
                    id=id
                    name=name
                    value=value
                    r#type=if min.is_some() { "number" } else { "text" }
                    inputmode=min.map(|_| "numeric")
                    min=min
                    max=max
                    step=step
                    autocomplete="off"
                    aria-invalid=move || error.with(Option::is_some).then_some("true")
                    aria-describedby=move || error.with(Option::is_some).then(|| described_by.clone())
                />
                {(!unit.is_empty()).then(|| view! { <span class="field-unit" aria-hidden="true">{unit}</span> })}
            </div>
            {move || {
                let id = error_id.clone();
                error.get().map(|why| view! {
                    <p class="field-error" id=id>{sentence(&format!("{label} {why}"))}</p>
                })
            }}
        </div>
    }
}

/// A message that belongs to no field: shown, and read out.
#[component]
pub fn Notice(
    /// The message, if there is one.
    #[prop(into)]
    message: Signal<Option<String>>,
) -> impl IntoView {
    move || message.get().map(|message| view! { <p class="notice" role="alert">{sentence(&message)}</p> })
}

/// After each refusal, puts the focus into the first field that has an error, which is then read out.
pub fn focus_first_invalid(form: NodeRef<html::Form>, refused: impl Fn() -> bool + 'static) {
    Effect::new(move |_| {
        if !refused() {
            return;
        }
        // The errors are marked in the same turn as this runs; the next frame has them.
        request_animation_frame(move || {
            let form = form.try_get_untracked().flatten();
            let invalid = form.and_then(|form| form.query_selector("[aria-invalid]").ok().flatten());
            if let Some(field) = invalid.as_ref().and_then(|field| field.dyn_ref::<web_sys::HtmlElement>()) {
                _ = field.focus();
            }
        });
    });
}
