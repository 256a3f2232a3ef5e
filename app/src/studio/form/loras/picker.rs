//! The field that adds a LoRA file: a search in the library while one types (a combobox with a list of options).

use super::super::{
    GenerationForm,
    loaded::{self, Part},
};
use crate::{
    browser,
    view::{Erase, words},
};
use leptos::{ev, prelude::*};
use protocol::LibraryItem;

/// The field.
const FIELD: &str = "#generation-lora";

/// State of the field.
#[derive(Clone, Copy)]
pub struct Picker {
    /// The options: files of the library that match what was typed.
    pub found: RwSignal<Vec<LibraryItem>>,
    /// The highlighted option.
    pub active: RwSignal<usize>,
    /// Whether the options are shown.
    open: RwSignal<bool>,
    /// Counts the searches.
    pub version: RwSignal<u32>,
    /// Whether the field gets the focus without showing the options.
    is_quiet: StoredValue<bool>,
}

impl Picker {
    pub fn new() -> Self {
        Self {
            found: RwSignal::new(Vec::new()),
            active: RwSignal::new(0),
            open: RwSignal::new(false),
            version: RwSignal::new(0),
            is_quiet: StoredValue::new(false),
        }
    }

    /// Shows the options for what is in the field.
    fn search(self) {
        self.open.set(true);
        self.version.update(|version| *version = version.wrapping_add(1));
    }

    /// Whether there are options to show.
    pub fn is_open(self) -> bool {
        self.open.get() && !self.found.with(Vec::is_empty)
    }

    /// Whether the field is in use.
    pub fn is_used(self) -> bool {
        self.open.get()
    }

    /// Moves the focus to the field, without showing the options.
    pub fn focus(self) {
        self.is_quiet.set_value(true);
        browser::focus(FIELD);
        self.is_quiet.set_value(false);
    }

    fn close(self) {
        self.open.set(false);
    }

    /// Moves the highlight.
    fn step(self, down: bool) {
        let count = self.found.with_untracked(Vec::len);
        if count > 0 {
            let by = if down { 1 } else { count - 1 };
            self.active.update(|active| *active = (*active + by) % count);
        }
        let at = self.active.get_untracked();
        request_animation_frame(move || browser::reveal(&format!("#{}", option_id(at))));
    }
}

impl GenerationForm {
    /// Adds the option at this place.
    pub fn add_found(self, place: usize) {
        let picker = self.loras.picker;
        let name = picker.found.with_untracked(|found| found.get(place).map(|item| item.name.clone()));
        if let Some(name) = name.or_else(|| Some(typed()).filter(|name| !name.is_empty())) {
            self.add_lora(&name);
            if let Some(field) = browser::find(FIELD) {
                browser::set_value(&field, "");
            }
            picker.found.set(Vec::new());
        }
        picker.close();
        browser::focus(FIELD);
    }

    fn picker_key(self, event: &ev::KeyboardEvent) {
        let picker = self.loras.picker;
        match event.key().as_str() {
            // Ctrl+Enter submits the form, as everywhere in it.
            "Enter" if event.ctrl_key() || event.meta_key() => return,
            "Enter" => self.add_found(picker.active.get_untracked()),
            "ArrowDown" | "ArrowUp" if picker.open.get_untracked() => picker.step(event.key() == "ArrowDown"),
            "ArrowDown" => picker.search(),
            "Escape" if picker.open.get_untracked() => picker.close(),
            _ => return,
        }
        event.prevent_default();
    }

    /// The field and its options.
    pub(super) fn pick_lora(self, error: Signal<Option<String>>) -> AnyView {
        let picker = self.loras.picker;
        let is_open = Memo::new(move |_| picker.is_open());
        let active = Signal::derive(move || is_open.get().then(|| option_id(picker.active.get())));
        view! {
            <label for="generation-lora">"LoRA"</label>
            <div class="lora-picker">
                <input
                    id="generation-lora"
                    type="text"
                    role="combobox"
                    placeholder="Add by name"
                    autocomplete="off"
                    spellcheck="false"
                    aria-autocomplete="list"
                    aria-controls="lora-options"
                    aria-expanded=words(move || is_open.get().to_string())
                    aria-activedescendant=active
                    aria-invalid=Signal::derive(move || error.with(Option::is_some).then(|| "true".to_owned()))
                    aria-describedby=Signal::derive(move || error.with(Option::is_some).then(|| super::ERROR_ID.to_owned()))
                    on:input=move |_| picker.search()
                    on:focus=move |_| if !picker.is_quiet.get_value() { picker.search() }
                    on:blur=move |_| picker.close()
                    on:keydown=move |event| self.picker_key(&event)
                />
                // A press on an option must not take the focus from the field, which would close the options.
                <ul
                    id="lora-options"
                    class="lora-options"
                    role="listbox"
                    aria-label="LoRA files"
                    hidden=move || !is_open.get()
                    on:pointerdown=|event| event.prevent_default()
                    on:mousedown=|event| event.prevent_default()
                >
                    {self.loras.loaded.view(move || loaded::part(self, Part::Options))}
                </ul>
            </div>
        }
        .erase()
    }
}

/// The id of the option at this place.
pub fn option_id(place: usize) -> String {
    format!("lora-option-{place}")
}

/// What is in the field.
pub fn typed() -> String {
    browser::find(FIELD).and_then(|field| browser::value(&field)).unwrap_or_default().trim().to_owned()
}
