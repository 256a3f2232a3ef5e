//! The options of the field that adds a LoRA file: what the library finds while one types.

use super::{
    edit::MAX_WORDS,
    picker::{Picker, option_id, typed},
};
use crate::{
    browser,
    drafts::Filter,
    serverfns::library::list_library,
    studio::GenerationForm,
    view::{Erase, dynamic, nothing, words},
};
use leptos::{prelude::*, task::spawn_local};
use protocol::{LibraryItem, LibraryKind};

/// Pause in typing after which the library is searched, milliseconds.
const PAUSE_MS: u32 = 150;
/// Most options.
const MAX_OPTIONS: usize = 20;

/// Searches for what is in the field, once typing pauses.
fn search(picker: Picker, version: u32) {
    spawn_local(async move {
        browser::wait(PAUSE_MS).await;
        let is_newest = || picker.version.try_get_untracked() == Some(version);
        if !is_newest() {
            return;
        }
        let filter = Filter { kind: LibraryKind::Lora.as_str().to_owned(), search: typed(), ..Filter::default() };
        let Ok(page) = list_library(filter).await.and_then(|page| page.open()) else { return };
        if is_newest() {
            let usable = page.items.into_iter().filter(|item| item.problem.is_none());
            picker.found.set(usable.take(MAX_OPTIONS).collect());
            picker.active.set(0);
        }
    });
}

impl GenerationForm {
    /// The options, which follow the searches.
    pub fn lora_options(self) -> AnyView {
        let picker = self.loras.picker;
        Effect::new(move |_| {
            let version = picker.version.get();
            if version > 0 {
                search(picker, version);
            }
        });
        dynamic(move || {
            let found = if picker.is_open() { picker.found.get() } else { Vec::new() };
            let options = found.into_iter().enumerate().map(|(place, item)| option(self, place, item));
            options.collect::<Vec<_>>().into_any()
        })
    }
}

fn option(form: GenerationForm, place: usize, item: LibraryItem) -> AnyView {
    let LibraryItem { name, title, trigger_words, thumbnail: picture, base, favourite, .. } = item;
    let facts = match trigger_words.is_empty() {
        true => title.filter(|title| *title != name).or(base).unwrap_or_default(),
        false => trigger_words.into_iter().take(MAX_WORDS).collect::<Vec<_>>().join(", "),
    };
    let picker = form.loras.picker;
    let add = move |_| form.add_found(place);
    let selected = words(move || (picker.active.get() == place).to_string());
    let name = if favourite { format!("★ {name}") } else { name };
    view! {
        <li class="lora-option" id=option_id(place) role="option" data-act="add-lora" data-id=place.to_string() aria-selected=selected on:click=add>
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
