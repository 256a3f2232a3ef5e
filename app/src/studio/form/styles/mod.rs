//! The styles of a generation: a chip for each, and a panel that lists, creates, edits and imports styles.

mod edit;
mod panel;

use super::GenerationForm;
use crate::{
    act::Act,
    browser,
    drafts::Draft,
    error::sentence,
    icons::Icon,
    serverfns::styles::list_styles,
    view::{Erase, dynamic, nothing},
};
use leptos::{prelude::*, task::spawn_local};
use protocol::{Style, StyleId};

/// State of the styles. The form's hidden field has the names; these signals follow it.
#[derive(Clone, Copy)]
pub struct Styles {
    /// The names in the form, in the order in which they are applied.
    chosen: RwSignal<Vec<String>>,
    /// All styles by name; `None` until they are read. They are read when a style is needed for the first time.
    pub known: RwSignal<Option<Vec<Style>>>,
}

/// The button that opens the panel.
const OPENER: &str = "#generation-styles-opener";

impl Styles {
    /// No styles.
    pub fn new() -> Self {
        Self { chosen: RwSignal::new(Vec::new()), known: RwSignal::new(None) }
    }

    /// Shows the styles of the form's field.
    pub fn show(self, names: Vec<String>) {
        if !names.is_empty() && self.known.with_untracked(Option::is_none) {
            spawn_local(async move { _ = self.load().await });
        }
        if self.chosen.with_untracked(|shown| *shown != names) {
            self.chosen.set(names);
        }
    }

    /// Reads all styles. None are returned without an answer; the known ones then stay.
    async fn load(self) -> Vec<Style> {
        let Ok(styles) = list_styles().await.and_then(|styles| styles.open()) else { return Vec::new() };
        self.known.try_set(Some(styles.clone()));
        styles
    }

    /// The style with this id.
    fn find(self, id: StyleId) -> Option<Style> {
        self.known.with_untracked(|known| known.as_ref()?.iter().find(|style| style.id == id).cloned())
    }
}

impl GenerationForm {
    /// Removes the style at this place. The focus moves to the button that opens the panel: the chip's is gone.
    pub fn remove_style(self, place: i64) {
        let names = self.styles.chosen.get_untracked();
        if let Some(name) = usize::try_from(place).ok().and_then(|place| names.get(place)) {
            self.edit(|draft| draft.styles = edit::toggled(&draft.styles, name));
            browser::focus(OPENER);
        }
    }

    /// A draft with its styles applied to its prompts, as far as they are known.
    pub(super) fn styled(self, draft: Draft) -> Draft {
        self.styles.known.with_untracked(|known| edit::styled(draft, known.as_deref().unwrap_or_default()))
    }

    /// The draft of a record, whose prompts contain its styles, with the prompts as they were before. If that is not known
    /// any more, the prompts stay and the styles are removed.
    pub async fn unstyled(self, draft: Draft) -> Draft {
        if draft.styles.is_empty() {
            return draft;
        }
        edit::unstyled(draft, &self.styles.load().await)
    }

    /// The field of the form, the chips, and the button that opens the panel.
    pub(super) fn styles(self, draft: &mut Draft) -> AnyView {
        let names = draft.style_names();
        let text = draft.take("styles");
        let styles = self.styles;
        styles.chosen.set(names);
        let chips = dynamic(move || {
            let chips = styles.chosen.get().into_iter().enumerate();
            chips.map(|(place, name)| styles.chip(place, name)).collect::<Vec<_>>().into_any()
        });
        let message =
            dynamic(move || match self.error.with(|error| error.as_ref()?.at_field("styles").map(sentence)) {
                Some(why) => view! { <p class="field-error" role="alert">{why}</p> }.erase(),
                None => nothing(),
            });
        view! {
            <input type="hidden" id="generation-styles" name="draft[styles]" value=text/>
            <div class="field styles" role="group" aria-label="Styles of the picture">
                <div class="style-chips">
                    {chips}
                    <button class="button button-small" type="button" id="generation-styles-opener" popovertarget="styles">"Styles"</button>
                </div>
                {message}
            </div>
        }
        .erase()
    }
}

impl GenerationForm {
    /// The panel. It is outside the form, so that Enter in its fields does not post the form.
    pub(super) fn styles_panel(self) -> AnyView {
        let is_loaded = RwSignal::new(false);
        let toggled = move |_| {
            if browser::find("#styles:popover-open").is_some() {
                spawn_local(async move {
                    match panel::fetch().await {
                        Ok(()) => _ = is_loaded.try_set(true),
                        Err(error) => self.store.refuse(error),
                    }
                    self.styles.load().await;
                });
            }
        };
        let content = dynamic(move || if is_loaded.get() { panel::content(self) } else { nothing() });
        view! {
            <section id="styles" class="flyout styles-panel" popover="auto" aria-label="Styles" on:toggle=toggled>
                {content}
            </section>
        }
        .erase()
    }
}

impl Styles {
    fn chip(self, place: usize, name: String) -> AnyView {
        let style = self.known.with(|known| known.as_ref().map(|known| known.iter().find(|s| s.name == name).cloned()));
        let (title, is_gone) = match &style {
            Some(Some(style)) => (edit::facts(style).join("\n"), false),
            Some(None) => ("There is no such style any more.".to_owned(), true),
            None => (String::new(), false),
        };
        let class = if is_gone { "style-chip style-gone" } else { "style-chip" };
        let note = if is_gone { view! { <span>" (deleted)"</span> }.erase() } else { nothing() };
        let label = format!("Remove style {name}");
        view! {
            <span class=class title=title data-id=place.to_string()>
                <bdi class="style-chip-name">{name}</bdi>
                {note}
                <button class="icon-button" type="button" data-act=Act::RemoveStyle.as_str() aria-label=label title="Remove">{Icon::Close.view()}</button>
            </span>
        }
        .erase()
    }
}
