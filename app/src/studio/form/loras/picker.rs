//! The field that adds a LoRA file: a search in the library while one types (a combobox with a list of options).

use super::super::GenerationForm;
use crate::{
    act::Act,
    browser,
    drafts::Filter,
    serverfns::library::list_library,
    view::{Erase, dynamic, nothing, words},
};
use leptos::{ev, prelude::*, task::spawn_local};
use protocol::{LibraryItem, LibraryKind};

/// The field.
pub const FIELD: &str = "#generation-lora";
/// Pause in typing after which the library is searched, milliseconds.
const PAUSE_MS: u32 = 150;
/// Most options.
const MAX_OPTIONS: usize = 20;

/// State of the field.
#[derive(Clone, Copy)]
pub struct Picker {
    /// The options: files of the library that match what was typed.
    found: RwSignal<Vec<LibraryItem>>,
    /// The highlighted option.
    active: RwSignal<usize>,
    /// Whether the options are shown.
    open: RwSignal<bool>,
    /// Counts the searches.
    version: RwSignal<u32>,
}

impl Picker {
    pub fn new() -> Self {
        Self {
            found: RwSignal::new(Vec::new()),
            active: RwSignal::new(0),
            open: RwSignal::new(false),
            version: RwSignal::new(0),
        }
    }

    /// Searches for what is in the field, once typing pauses.
    fn search(self) {
        self.open.set(true);
        let version = self.version.get_untracked().wrapping_add(1);
        self.version.set(version);
        spawn_local(async move {
            browser::wait(PAUSE_MS).await;
            let is_newest = || self.version.try_get_untracked() == Some(version);
            if !is_newest() {
                return;
            }
            let filter = Filter { kind: LibraryKind::Lora.as_str().to_owned(), search: typed(), ..Filter::default() };
            let Ok(page) = list_library(filter).await.and_then(|page| page.open()) else { return };
            if is_newest() {
                let usable = page.items.into_iter().filter(|item| item.problem.is_none());
                self.found.set(usable.take(MAX_OPTIONS).collect());
                self.active.set(0);
            }
        });
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
    pub fn add_found(self, place: i64) {
        let picker = self.loras.picker;
        let place = usize::try_from(place).unwrap_or(usize::MAX);
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
            "Enter" => self.add_found(i64::try_from(picker.active.get_untracked()).unwrap_or_default()),
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
        let is_open = Memo::new(move |_| picker.open.get() && !picker.found.with(Vec::is_empty));
        let active = Signal::derive(move || is_open.get().then(|| option_id(picker.active.get())));
        let options = dynamic(move || {
            let found = if is_open.get() { picker.found.get() } else { Vec::new() };
            found
                .into_iter()
                .enumerate()
                .map(|(place, item)| option(picker, place, item))
                .collect::<Vec<_>>()
                .into_any()
        });
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
                    on:focus=move |_| picker.search()
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
                    {options}
                </ul>
            </div>
        }
        .erase()
    }
}

fn option(picker: Picker, place: usize, item: LibraryItem) -> AnyView {
    let LibraryItem { name, title, trigger_words, thumbnail: picture, base, favourite, .. } = item;
    let facts = match trigger_words.is_empty() {
        true => title.filter(|title| *title != name).or(base).unwrap_or_default(),
        false => trigger_words.into_iter().take(super::edit::MAX_WORDS).collect::<Vec<_>>().join(", "),
    };
    let selected = words(move || (picker.active.get() == place).to_string());
    let name = if favourite { format!("★ {name}") } else { name };
    view! {
        <li class="lora-option" id=option_id(place) role="option" data-act=Act::AddLora.as_str() data-id=place.to_string() aria-selected=selected>
            {thumbnail(picture)}
            <span class="lora-name" dir="auto">{name}</span>
            <span class="lora-facts" dir="auto">{facts}</span>
        </li>
    }
    .erase()
}

/// A small picture of a file; nothing without one.
pub fn thumbnail(src: Option<String>) -> AnyView {
    match src {
        Some(src) => view! { <img class="lora-thumbnail" src=src alt="" loading="lazy" decoding="async"/> }.erase(),
        None => nothing(),
    }
}

fn option_id(place: usize) -> String {
    format!("lora-option-{place}")
}

fn typed() -> String {
    browser::find(FIELD).and_then(|field| browser::value(&field)).unwrap_or_default().trim().to_owned()
}
