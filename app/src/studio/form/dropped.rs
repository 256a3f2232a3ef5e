//! A picture that is dropped on the form fills it with what it was made from.

use super::{FORM, fill, remember};
use crate::{
    browser,
    error::sentence,
    form::CUSTOM,
    studio::{Store, draft::Draft},
};
use leptos::{ev, prelude::*, task::spawn_local};
use serde::Deserialize;

/// The server's answer: a record, or a problem document.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Inspected {
    record: Option<Record>,
    detail: Option<String>,
}

#[derive(Deserialize)]
struct Record {
    program: String,
    settings: Settings,
    not_applied: Vec<NotApplied>,
}

/// What the record says, within the form's bounds.
#[derive(Deserialize)]
struct Settings {
    prompt: Option<String>,
    negative_prompt: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    steps: Option<u32>,
    cfg_scale: Option<f64>,
    sampler: Option<String>,
    scheduler: Option<String>,
    seed: Option<u64>,
    model: Option<String>,
}

#[derive(Deserialize)]
struct NotApplied {
    name: String,
    value: String,
    reason: String,
}

/// Lines of the notice, and characters of a value in it.
const MAX_LINES: usize = 8;
const MAX_VALUE_CHARS: usize = 60;

/// Takes a file that is dropped.
pub fn dropped(store: Store, event: &ev::DragEvent) {
    let Some(file) = browser::dropped_files(event).into_iter().next() else { return };
    event.prevent_default();
    spawn_local(async move {
        let answer = browser::post_file("/api/v1/inspect-png", Some(&file)).await.unwrap_or_default();
        let Some(form) = browser::find(FORM) else { return };
        let mut draft = super::typed(&form);
        let (is_filled, message) = apply(&answer, &mut draft);
        if is_filled {
            fill(&form, &draft);
            remember(store);
            browser::focus("#generation-prompt");
        }
        store.refused.try_set(message);
    });
}

/// Writes the record of an answer into the form. Returns whether there is one, and what the person must be told.
fn apply(answer: &str, draft: &mut Draft) -> (bool, Option<String>) {
    let Ok(inspected) = serde_json::from_str::<Inspected>(answer) else {
        return (false, Some("The server did not answer.".to_owned()));
    };
    let Some(record) = inspected.record else {
        let why = inspected.detail.map(|why| sentence(&why.replacen("body:", "this file", 1)));
        return (false, Some(why.unwrap_or_else(|| "This picture carries no record of how it was made.".to_owned())));
    };
    let message = told(&record);
    fill_in(record.settings, draft);
    (true, message)
}

/// What is not applied, a line each; the API's answer has all of it.
fn told(record: &Record) -> Option<String> {
    let mut told = format!("Not everything in the record of {} applies:", record.program);
    for NotApplied { name, value, reason } in record.not_applied.iter().take(MAX_LINES) {
        let value: String = value.chars().take(MAX_VALUE_CHARS).collect();
        told += &format!("\n{name}: {value} ({reason})");
    }
    let more = record.not_applied.len().saturating_sub(MAX_LINES);
    if more > 0 {
        told += &format!("\n{more} more");
    }
    (!record.not_applied.is_empty()).then_some(told)
}

/// What the record does not say stays as it was typed; but a picture that was made without a negative prompt, and from no
/// other picture, would be another one with them.
fn fill_in(made: Settings, draft: &mut Draft) {
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    draft.negative_prompt = made.negative_prompt.unwrap_or_default();
    draft.init_take_id = String::new();
    let size = made.width.map(|_| CUSTOM.to_owned());
    for (field, value) in [
        (&mut draft.prompt, made.prompt),
        (&mut draft.size, size),
        (&mut draft.width, number(made.width)),
        (&mut draft.height, number(made.height)),
        (&mut draft.steps, number(made.steps)),
        (&mut draft.cfg_scale, made.cfg_scale.map(|scale| scale.to_string())),
        (&mut draft.sampler, made.sampler),
        (&mut draft.scheduler, made.scheduler),
        (&mut draft.seed, made.seed.map(|seed| seed.to_string())),
        (&mut draft.model, made.model),
    ] {
        if let Some(value) = value {
            *field = value;
        }
    }
    draft.num_variants = "1".to_owned();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed() -> Draft {
        Draft {
            prompt: "typed".into(),
            negative_prompt: "typed".into(),
            steps: "9".into(),
            init_take_id: "3".into(),
            ..Draft::default()
        }
    }

    fn filled(settings: &str, not_applied: &str) -> (Draft, Option<String>) {
        let mut draft = typed();
        let answer = format!(
            r#"{{"parameters":null,"a1111":"a cat","record":{{"program":"ComfyUI","program_version":null,"settings":{settings},
            "not_applied":[{not_applied}]}}}}"#
        );
        let (is_filled, message) = apply(&answer, &mut draft);
        assert!(is_filled);
        (draft, message)
    }

    #[test]
    fn the_record_fills_the_form() {
        let whole = r#"{"prompt":"a car","negative_prompt":"","width":128,"height":64,"steps":20,"cfg_scale":4.0,
            "sampler":"euler","scheduler":"leading","seed":7,"model":"starter","strength":null}"#;
        let (draft, message) = filled(whole, "");
        let new = draft.read().expect("good");
        assert_eq!((new.prompt.as_str(), new.steps, new.seed, new.height), ("a car", Some(20), Some(7), Some(64)));
        assert_eq!((new.sampler.as_deref(), new.scheduler.as_deref()), (Some("euler"), Some("leading")));
        assert_eq!((new.model.as_deref(), new.init_take_id, message), (Some("starter"), None, None));
        assert_eq!(draft.negative_prompt, "");
    }

    #[test]
    fn what_is_missing_stays_and_what_is_not_applied_is_said() {
        let part = r#"{"prompt":"","negative_prompt":null,"seed":7}"#;
        let entry = r#"{"name":"VAE","value":"x","reason":"the model's own VAE is used"}"#;
        let (draft, message) = filled(part, entry);
        assert_eq!((draft.prompt.as_str(), draft.negative_prompt.as_str(), draft.steps.as_str()), ("", "", "9"));
        assert_eq!((draft.size.as_str(), draft.width.as_str(), draft.seed.as_str()), ("", "", "7"));
        let told = "Not everything in the record of ComfyUI applies:\nVAE: x (the model's own VAE is used)";
        assert_eq!(message.as_deref(), Some(told));
    }

    #[test]
    fn without_a_record_the_form_stays_and_the_reason_is_said() {
        for (answer, told) in [
            (r#"{"parameters":null,"a1111":null,"record":null}"#, "This picture carries no record of how it was made."),
            (
                r#"{"title":"Unprocessable Entity","status":422,"detail":"body: is no PNG, JPEG or WebP picture"}"#,
                "This file is no PNG, JPEG or WebP picture.",
            ),
            ("", "The server did not answer."),
        ] {
            let mut draft = typed();
            assert_eq!(apply(answer, &mut draft), (false, Some(told.to_owned())));
            assert_eq!(draft, typed());
        }
    }
}
