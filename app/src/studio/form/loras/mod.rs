//! The LoRA files of a generation: a chip with sliders for each, and a field that adds one by its name. The chips and the
//! field's options are loaded when they are needed for the first time.

mod chips;
pub mod edit;
pub mod options;
mod picker;
mod tags;

use super::{
    GenerationForm,
    loaded::{self, Part},
};
use crate::{
    drafts::Draft,
    error::sentence,
    studio::{Store, on_demand::Loaded},
    view::{Erase, dynamic, nothing},
};
use ::prompt::{PromptSyntax, networks::networks};
use generation::{Lora, Loras};
use leptos::prelude::*;
use protocol::LibraryItem;

/// State of the LoRA files. The form's hidden field has the files; these signals follow it.
#[derive(Clone, Copy)]
pub struct LoraChips {
    /// The files in the form.
    list: RwSignal<Loras>,
    /// The files that the prompt names.
    tagged: RwSignal<Vec<Lora>>,
    /// What the library has of them, and of the form's model, by the names in the form; `None` until it has answered.
    known: RwSignal<Option<Vec<(String, LibraryItem)>>>,
    picker: picker::Picker,
    /// Whether the chips, the options and the offer of a distilled file's settings are loaded.
    pub loaded: Loaded,
}

/// The id of the error's text.
const ERROR_ID: &str = "generation-loras-error";

impl LoraChips {
    /// No files.
    pub fn new(store: Store) -> Self {
        Self {
            list: RwSignal::new(Loras::default()),
            tagged: RwSignal::new(Vec::new()),
            known: RwSignal::new(None),
            picker: picker::Picker::new(),
            loaded: Loaded::new(store),
        }
    }

    /// Shows the files of the form's field, and those that the prompt names.
    pub fn show(self, text: &str, prompt: &str) {
        let loras = edit::parse(text);
        if self.list.with_untracked(|shown| *shown != loras) {
            self.list.set(loras);
        }
        let tagged = networks(prompt, PromptSyntax::A1111).1;
        if self.tagged.with_untracked(|shown| *shown != tagged) {
            self.tagged.set(tagged);
        }
    }
}

impl GenerationForm {
    /// Loads the chips, the options and the offer once one of them is needed: a file is chosen or named by the prompt, the
    /// field is used, or one of several models may be a distilled one.
    pub(super) fn watch_loras(self) {
        let LoraChips { list, tagged, picker, loaded, .. } = self.loras;
        let state = self.store.state;
        let is_needed = Memo::new(move |_| {
            let is_named = list.with(|list| !list.is_empty()) || tagged.with(|tagged| !tagged.is_empty());
            is_named || picker.is_used() || state.with(|state| state.models.len() > 1)
        });
        Effect::new(move |_| {
            if is_needed.get() {
                loaded.load(loaded::fetch());
            }
        });
    }

    /// Adds a LoRA file with weight 1.
    pub fn add_lora(self, name: &str) {
        self.edit(|draft| draft.loras = edit::with_lora(&draft.loras, name));
    }

    /// The field of the form, the field that adds a file, and the chips.
    pub(super) fn loras(self, draft: &mut Draft) -> AnyView {
        let text = draft.take("loras");
        // The prompt's files are shown once the page is live.
        self.loras.show(&text, "");
        let error =
            Signal::derive(move || self.error.with(|error| error.as_ref()?.at_field("loras").map(str::to_owned)));
        let message = dynamic(move || match error.get() {
            Some(why) => view! { <p class="field-error" id=ERROR_ID>{sentence(&format!("LoRA {why}"))}</p> }.erase(),
            None => nothing(),
        });
        // The form's own listener to `input` would read all fields a second time.
        view! {
            <input type="hidden" id="generation-loras" name="draft[loras]" value=text/>
            <div class="field loras" role="group" aria-label="LoRA files" on:input=|event| event.stop_propagation()>
                {self.pick_lora(error)}
                {message}
                {self.loras.loaded.view(move || loaded::part(self, Part::Chips))}
            </div>
        }
        .erase()
    }
}

/// A line of text in a chip.
fn note_line(text: &str) -> AnyView {
    view! { <p class="lora-note">{sentence(text)}</p> }.erase()
}
