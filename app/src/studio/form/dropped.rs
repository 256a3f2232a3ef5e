//! A PNG that is dropped on the form fills it with what it was made from.

use super::{FORM, fill, remember};
use crate::{
    browser,
    form::CUSTOM,
    studio::{Store, draft::Draft},
};
use leptos::{ev, prelude::*, task::spawn_local};
use serde::Deserialize;

/// Fields that a picture's record fills also where it says nothing.
const OF_THE_PICTURE: [&str; 2] = ["negative_prompt", "init_take_id"];

/// What the server reads in a PNG.
#[derive(Deserialize)]
struct Inspected {
    parameters: Option<Made>,
    a1111: Option<String>,
}

/// Emberline's own record, as far as the form has fields for it.
#[derive(Deserialize)]
struct Made {
    prompt: String,
    negative_prompt: String,
    width: u32,
    height: u32,
    steps: u32,
    cfg_scale: f64,
    sampler: String,
    scheduler: String,
    seed: u64,
}

impl From<Made> for Draft {
    fn from(made: Made) -> Self {
        Self {
            prompt: made.prompt,
            negative_prompt: made.negative_prompt,
            size: CUSTOM.to_owned(),
            width: made.width.to_string(),
            height: made.height.to_string(),
            steps: made.steps.to_string(),
            cfg_scale: made.cfg_scale.to_string(),
            sampler: made.sampler,
            scheduler: made.scheduler,
            seed: made.seed.to_string(),
            num_variants: "1".to_owned(),
            ..Self::default()
        }
    }
}

/// Takes a file that is dropped.
pub fn dropped(store: Store, event: &ev::DragEvent) {
    let Some(file) = browser::dropped_files(event).into_iter().next() else { return };
    event.prevent_default();
    spawn_local(async move {
        match browser::post_file("/api/v1/inspect-png", Some(&file)).await.as_deref().and_then(draft) {
            Some(draft) => {
                if let Some(form) = browser::find(FORM) {
                    // What the file does not say stays as it was typed; but a picture that was made without a negative
                    // prompt, and from no other picture, would be another one with them.
                    let mut filled = super::typed(&form);
                    for ((name, old), (_, new)) in filled.fields_mut().into_iter().zip(draft.fields()) {
                        if !new.is_empty() || OF_THE_PICTURE.contains(&name) {
                            *old = new;
                        }
                    }
                    fill(&form, &filled);
                    remember(store);
                    browser::focus("#generation-prompt");
                }
            }
            None => _ = store.refused.try_set(Some("This file does not say what it was made from.".to_owned())),
        }
    });
}

fn draft(answer: &str) -> Option<Draft> {
    let inspected: Inspected = serde_json::from_str(answer).ok()?;
    let own = inspected.parameters.map(Draft::from);
    own.or_else(|| inspected.a1111.map(|text| Draft::of_a1111(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_record_comes_before_the_text() {
        let parameters = r#"{"prompt":"a car","negative_prompt":"","width":128,"height":64,"steps":20,"cfg_scale":4.0,
            "sampler":"euler","scheduler":"leading","seed":7,"model":"starter","version":"1"}"#;
        let both = draft(&format!(r#"{{"parameters":{parameters},"a1111":"a cat"}}"#)).expect("a draft");
        let new = both.read().expect("good");
        assert_eq!((new.prompt.as_str(), new.steps, new.seed, new.height), ("a car", Some(20), Some(7), Some(64)));
        assert_eq!(draft(r#"{"parameters":null,"a1111":"a cat"}"#).expect("a draft").prompt, "a cat");
        // A problem document has neither field, and so fills nothing.
        for none in [r#"{"parameters":null,"a1111":null}"#, r#"{"title":"Unprocessable Entity","status":422}"#, ""] {
            assert!(draft(none).is_none(), "{none}");
        }
    }
}
