//! A picture that is dropped on the form fills it with its recorded parameters.

use super::GenerationForm;
use crate::{
    browser,
    drafts::{CUSTOM, Draft},
    error::{AppError, sentence},
};
use generation::PartialParameters;
use leptos::{ev, prelude::*, task::spawn_local};
use serde::Deserialize;

/// The server's response: a record, or a problem document.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Inspected {
    parameters: Option<Own>,
    record: Option<Record>,
    detail: Option<String>,
}

/// The part of Emberline's own record that the form needs besides the record of any program.
#[derive(Deserialize)]
struct Own {
    #[serde(default)]
    styles: Vec<String>,
}

#[derive(Deserialize)]
struct Record {
    program: String,
    settings: PartialParameters,
    not_applied: Vec<NotApplied>,
}

#[derive(Deserialize)]
struct NotApplied {
    name: String,
    value: String,
    reason: String,
}

/// Limits of the notice: its lines, and the characters of a value.
const MAX_LINES: usize = 8;
const MAX_VALUE_CHARS: usize = 60;

impl GenerationForm {
    /// Fills the form from the record in a dropped picture.
    pub(super) fn drop_picture(self, event: &ev::DragEvent) {
        let Some(file) = browser::dropped_files(event).into_iter().next() else { return };
        event.prevent_default();
        spawn_local(async move {
            let response = browser::post_file("/api/v1/inspect-png", Some(&file)).await.unwrap_or_default();
            let Some(draft) = self.draft() else { return };
            match applied(response, draft).await {
                Ok((draft, message)) => {
                    if let Some(draft) = draft {
                        self.fill(&self.unstyled(draft).await);
                        self.focus_prompt();
                    }
                    self.store.refused.try_set(message);
                }
                Err(error) => self.store.refuse(error),
            }
        });
    }
}

/// The draft with the record in a response, if there is one, and a message to show. The decoder of records (7 kB when sent) is
/// in the file `on_demand`, which is loaded when it is needed for the first time.
#[cfg_attr(
    feature = "split",
    leptos::wasm_split::wasm_split(on_demand, wasm_split_path = leptos::wasm_split, fallible)
)]
fn read_dropped(response: String, mut draft: Draft) -> Result<(Option<Draft>, Option<String>), AppError> {
    let (is_filled, message) = apply(&response, &mut draft);
    Ok((is_filled.then_some(draft), message))
}

#[cfg(not(feature = "split"))]
async fn applied(response: String, draft: Draft) -> Result<(Option<Draft>, Option<String>), AppError> {
    read_dropped(response, draft)
}

#[cfg(feature = "split")]
async fn applied(response: String, draft: Draft) -> Result<(Option<Draft>, Option<String>), AppError> {
    read_dropped(response, draft).await
}

/// Writes the record in a response into the draft. Its prompts then contain its styles: see [`GenerationForm::unstyled`].
/// Returns whether there is a record, and a message to show.
fn apply(answer: &str, draft: &mut Draft) -> (bool, Option<String>) {
    let Ok(inspected) = serde_json::from_str::<Inspected>(answer) else {
        return (false, Some("The server did not answer.".to_owned()));
    };
    let Some(record) = inspected.record else {
        let why = inspected.detail.map(|why| sentence(&why.replacen("body:", "this file", 1)));
        return (false, Some(why.unwrap_or_else(|| "This picture carries no record of how it was made.".to_owned())));
    };
    let message = not_applied(&record);
    fill_in(record.settings, draft);
    draft.styles = inspected.parameters.map(|own| own.styles.join("\n")).unwrap_or_default();
    (true, message)
}

/// The entries that do not apply, one line each.
fn not_applied(record: &Record) -> Option<String> {
    let mut text = format!("Not everything in the record of {} applies:", record.program);
    for NotApplied { name, value, reason } in record.not_applied.iter().take(MAX_LINES) {
        let value: String = value.chars().take(MAX_VALUE_CHARS).collect();
        text += &format!("\n{name}: {value} ({reason})");
    }
    let more = record.not_applied.len().saturating_sub(MAX_LINES);
    if more > 0 {
        text += &format!("\n{more} more");
    }
    (!record.not_applied.is_empty()).then_some(text)
}

/// Fields that the record lacks stay as typed, except the negative prompt, the LoRA files, the initial image and the step to
/// branch from: with them the picture would not be reproduced.
fn fill_in(made: PartialParameters, draft: &mut Draft) {
    draft.negative_prompt = String::new();
    draft.loras = String::new();
    draft.init_take_id = String::new();
    draft.branch_of = String::new();
    draft.from_step = String::new();
    draft.num_variants = "1".to_owned();
    if made.width.is_some() {
        draft.size = CUSTOM.to_owned();
    }
    for (field, text) in made.texts() {
        draft.set(field, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed() -> Draft {
        Draft {
            prompt: "typed".into(),
            negative_prompt: "typed".into(),
            steps: "9".into(),
            loras: r#"[{"name":"typed","unet_weight":1.0}]"#.into(),
            init_take_id: "3".into(),
            ..Draft::default()
        }
    }

    fn filled(settings: &str, not_applied: &str) -> (Draft, Option<String>) {
        let mut draft = typed();
        let answer = format!(
            r#"{{"parameters":{{"styles":["Oil","Ink"]}},"a1111":"a cat","record":{{"program":"ComfyUI","program_version":null,"settings":{settings},
            "not_applied":[{not_applied}]}}}}"#
        );
        let (is_filled, message) = apply(&answer, &mut draft);
        assert!(is_filled);
        (draft, message)
    }

    #[test]
    fn the_record_fills_the_form() {
        let whole = r#"{"prompt":"a car","negative_prompt":"","width":128,"height":64,"steps":20,"cfg_scale":4.0,
            "sampler":"euler","scheduler":"leading","seed":7,"model":"starter","strength":null,
            "loras":[{"name":"ink","unet_weight":0.5,"hash":"0123456789ab"}]}"#;
        let (draft, message) = filled(whole, "");
        let new = draft.read().expect("good");
        assert_eq!((new.prompt.as_str(), new.steps, new.seed, new.height), ("a car", Some(20), Some(7), Some(64)));
        assert_eq!((new.sampler.as_deref(), new.scheduler.as_deref()), (Some("euler"), Some("leading")));
        assert_eq!((new.model.as_deref(), new.init_take_id, message), (Some("starter"), None, None));
        assert_eq!(
            (draft.negative_prompt.as_str(), draft.style_names()),
            ("", vec!["Oil".to_owned(), "Ink".to_owned()])
        );
        let loras = new.loras.expect("the record's");
        assert_eq!((loras[0].name.as_str(), loras[0].unet_weight), ("ink", 0.5));
        assert_eq!(loras[0].hash.as_deref(), Some("0123456789ab"));
    }

    #[test]
    fn what_is_missing_stays_and_what_is_not_applied_is_said() {
        let part = r#"{"prompt":"","negative_prompt":null,"seed":7}"#;
        let entry = r#"{"name":"VAE","value":"x","reason":"the model's own VAE is used"}"#;
        let (draft, message) = filled(part, entry);
        assert_eq!((draft.prompt.as_str(), draft.negative_prompt.as_str(), draft.steps.as_str()), ("", "", "9"));
        assert_eq!(draft.loras, "");
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
