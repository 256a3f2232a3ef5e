//! The chips of the LoRA files, with their sliders, and what the library has of them.

use super::{LoraChips, edit, edit::Part, note_line, options::thumbnail, tags};
use crate::{
    act::clicked,
    browser,
    icons::Icon,
    serverfns::library::find_library_items,
    studio::GenerationForm,
    view::{Erase, dynamic, list, nothing, words},
};
use generation::{Lora, limits};
use leptos::{ev, prelude::*, task::spawn_local, web_sys::Element};
use protocol::{LibraryItem, LibraryKind};

/// Range of the sliders. A typed weight can be any within [`limits::LORA_WEIGHT`].
const SLIDER: (&str, &str) = ("-2", "2");
const STEP: &str = "0.05";
/// The actions of the chips' buttons.
const REMOVE: &str = "remove-lora";
const INSERT_WORDS: &str = "lora-words";

impl LoraChips {
    /// What the library has of the form's and the prompt's LoRA files and of the model, in this order.
    pub fn known(self) -> Vec<LibraryItem> {
        self.known.get().unwrap_or_default().into_iter().map(|(_, item)| item).collect()
    }

    /// What prevents the use of a file.
    pub fn note(self, item: Option<&LibraryItem>) -> Option<String> {
        match item {
            Some(item) => item.problem.clone(),
            None => self.known.with(Option::is_some).then(|| "It is not in the library.".to_owned()),
        }
    }

    /// The library's entry of a file.
    pub fn item(self, name: &str) -> Option<LibraryItem> {
        let find = |items: &Vec<(String, LibraryItem)>| {
            items.iter().find(|(of, item)| item.kind == LibraryKind::Lora && of == name).map(|(_, item)| item.clone())
        };
        self.known.with(|known| known.as_ref().and_then(find))
    }
}

impl GenerationForm {
    /// Asks the library for the model and the LoRA files whenever one is chosen, and when the library changes.
    fn watch_library(self) {
        let store = self.store;
        let asked = Memo::new(move |_| {
            let first = || store.state.with(|state| state.models.first().map(|model| model.name.clone()));
            let model = Some(self.model.get()).filter(|name| !name.is_empty()).or_else(first).unwrap_or_default();
            let named = |loras: &[Lora]| loras.iter().map(|lora| lora.name.clone()).collect::<Vec<_>>();
            let mut names = self.loras.list.with(|list| named(list));
            names.extend(self.loras.tagged.with(|tagged| named(tagged)));
            (model, names, store.state.with(|state| state.library_revision))
        });
        Effect::new(move |_| {
            let (model, names, _) = asked.get();
            // The only model's settings are in the form already.
            if names.is_empty() && store.state.with_untracked(|state| state.models.len()) < 2 {
                return self.loras.known.set(Some(Vec::new()));
            }
            spawn_local(async move {
                let found = find_library_items(model, names).await.and_then(|found| found.open());
                // Without an answer the chips show only names.
                if let Ok(found) = found {
                    self.loras.known.try_set(Some(found));
                }
            });
        });
    }

    /// The chips of the form's files, then those of the prompt's.
    pub fn lora_chips(self) -> AnyView {
        self.watch_library();
        let shown = self.loras.list;
        let places = Memo::new(move |_| (0..).zip(shown.get().0).map(|(place, _)| place).collect::<Vec<i64>>());
        view! {
            <ul
                class="lora-list"
                on:click=move |event: ev::MouseEvent| self.click_chip(&event)
                on:input=move |event| self.weigh(&event)
                on:change=move |event| self.weighed(&event)
            >
                {list(places.into(), move |place| self.chip(place))}
            </ul>
            {self.tag_chips()}
        }
        .into_any()
    }

    /// Carries out the action of the button that was clicked.
    fn click_chip(self, event: &ev::MouseEvent) {
        match clicked(event) {
            Some((act, place)) if act == REMOVE => self.remove_lora(place),
            Some((act, place)) if act == INSERT_WORDS => self.insert_words(place),
            _ => {}
        }
    }

    /// Removes the LoRA file at this place. The focus moves to the field that adds one: its button is gone.
    fn remove_lora(self, place: i64) {
        self.edit(|draft| draft.loras = edit::without(&draft.loras, usize::try_from(place).unwrap_or(usize::MAX)));
        self.loras.picker.focus();
    }

    /// Inserts the trigger words of the LoRA file at this place into the prompt.
    fn insert_words(self, place: i64) {
        let name = usize::try_from(place)
            .ok()
            .and_then(|place| self.loras.list.with_untracked(|list| list.get(place).map(|lora| lora.name.clone())));
        let item = name.and_then(|name| untrack(|| self.loras.item(&name)));
        if let Some(item) = item {
            self.edit(|draft| draft.prompt = edit::with_words(&draft.prompt, &item.trigger_words));
            self.focus_prompt();
        }
    }

    /// A weight was typed or slid.
    fn weigh(self, event: &ev::Event) {
        let Some((field, part, place)) = weight_field(event) else { return };
        let typed = browser::value(&field).unwrap_or_default();
        // An unfinished number, `-`, also reads as an empty text: the text encoders' weight is removed on `change`.
        if part == Part::Text && typed.trim().is_empty() {
            return;
        }
        self.set_weight(place, part, &typed);
    }

    /// A weight is complete: brings it within its limits, and restores it if it is not a number.
    fn weighed(self, event: &ev::Event) {
        let Some((field, part, place)) = weight_field(event) else { return };
        let typed = browser::value(&field).unwrap_or_default();
        self.set_weight(place, part, &edit::within_limits(&typed).unwrap_or(typed));
        let now = self.loras.list.with_untracked(|list| list.get(place).map(|lora| edit::weight(lora, part)));
        if field.get_attribute("type").as_deref() == Some("number") {
            browser::set_value(&field, &now.unwrap_or_default());
        }
    }

    fn set_weight(self, place: usize, part: Part, typed: &str) {
        self.edit(|draft| {
            if let Some(text) = edit::with_weight(&draft.loras, place, part, typed) {
                draft.loras = text;
            }
        });
    }

    /// The chip at a place of the list.
    fn chip(self, place: i64) -> AnyView {
        let (chips, at) = (self.loras, usize::try_from(place).unwrap_or(usize::MAX));
        let lora = Memo::new(move |last: Option<&Lora>| {
            let now = chips.list.with(|list| list.get(at).cloned());
            now.or_else(|| last.cloned()).unwrap_or_else(|| Lora::new("", 1.0))
        });
        let name = Memo::new(move |_| lora.with(|lora| lora.name.clone()));
        let item = Memo::new(move |_| chips.item(&name.get()));
        let trigger = dynamic(move || match item.with(|item| item.as_ref().map(|item| item.trigger_words.clone())) {
            Some(trigger) if !trigger.is_empty() => {
                let shown = trigger.into_iter().take(edit::MAX_WORDS).collect::<Vec<_>>().join(", ");
                let label = format!("Insert trigger words of {}", name.get());
                let title = format!("Insert into the prompt: {shown}");
                view! {
                    <button class="lora-words" type="button" data-act=INSERT_WORDS aria-label=label title=title>
                        {Icon::Plus.view()}<span class="lora-trigger">{shown}</span>
                    </button>
                }
                .erase()
            }
            _ => nothing(),
        });
        let note = dynamic(move || {
            let missing = item.with(|item| chips.note(item.as_ref()));
            let in_prompt = chips.tag_of(&lora.get()).map(|tag| {
                format!("The prompt has it too, with the weight {}. The weight here counts.", tags::weights(&tag))
            });
            let lines = missing.into_iter().chain(in_prompt).map(|text| note_line(&text));
            lines.collect::<Vec<_>>().into_any()
        });
        let thumbnail = dynamic(move || thumbnail(item.with(|item| item.as_ref()?.thumbnail.clone())));
        let remove = words(move || format!("Remove {}", name.get()));
        view! {
            <li class="lora" data-id=place>
                <div class="lora-head">
                    {thumbnail}
                    <span class="lora-name" dir="auto" title=words(move || name.get())>{words(move || name.get())}</span>
                    <button class="icon-button" type="button" data-act=REMOVE aria-label=remove title="Remove">{Icon::Close.view()}</button>
                </div>
                {weights(lora, Part::Unet, "Weight of")}
                {trigger}
                {note}
                <details class="lora-more">
                    <summary>"Text encoders"</summary>
                    {weights(lora, Part::Text, "Text encoders' weight of")}
                </details>
            </li>
        }
        .erase()
    }
}

/// A slider and a number for one weight.
fn weights(lora: Memo<Lora>, part: Part, label: &'static str) -> AnyView {
    let slid = words(move || {
        lora.with(|lora| match part {
            Part::Unet => lora.unet_weight,
            Part::Text => lora.text_weight(),
        })
        .to_string()
    });
    let typed = words(move || lora.with(|lora| edit::weight(lora, part)));
    let name = move |kind: &'static str| words(move || lora.with(|lora| format!("{label} {}{kind}", lora.name)));
    let bounds = limits::LORA_WEIGHT;
    let same = (part == Part::Text).then_some("Same");
    view! {
        <div class="lora-weight" data-part=part.as_str()>
            <input type="range" min=SLIDER.0 max=SLIDER.1 step=STEP aria-label=name("") prop:value=slid value=slid/>
            <input
                type="number"
                inputmode="decimal"
                min=bounds.start().to_string()
                max=bounds.end().to_string()
                step=STEP
                autocomplete="off"
                placeholder=same
                aria-label=name(", as a number")
                prop:value=typed
                value=typed
            />
        </div>
    }
    .erase()
}

/// The field of an event, which weight it is, and the place of its file.
fn weight_field(event: &ev::Event) -> Option<(Element, Part, usize)> {
    let field = browser::target(event)?;
    let of = |name: &str| field.closest(&format!("[{name}]")).ok()??.get_attribute(name);
    let part = Part::from_name(&of("data-part")?)?;
    let place = of("data-id")?.parse().ok()?;
    Some((field, part, place))
}
