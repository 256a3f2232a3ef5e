//! The panel of the styles: a list with a search, or the editor of one style. Its code (16 kB when sent) is in the file
//! `on_demand`, which is loaded when it is needed for the first time.

use super::{
    super::GenerationForm,
    edit::{facts, matching, renamed, toggled},
};
use crate::{
    browser,
    error::{AppError, sentence},
    forms::field::{Field, Notice},
    icons::Icon,
    serverfns::styles::{create_style, delete_style, restore_style, update_style},
    view::{Erase, dynamic, list, nothing, words},
};
use leptos::{ev, prelude::*, task::spawn_local};
use protocol::{Style, StyleId};
use serde::Deserialize;

/// Most styles that are listed.
const MAX_ROWS: usize = 200;
/// The fields of the editor.
const FIELDS: [&str; 3] = ["name", "prompt", "negative_prompt"];

/// The panel's state.
#[derive(Clone, Copy)]
struct Panel {
    form: GenerationForm,
    search: RwSignal<String>,
    /// The style that is edited; its id is 0 for a new one.
    edited: RwSignal<Option<Style>>,
    /// The error of the last change.
    error: RwSignal<Option<AppError>>,
    /// The style that was deleted last, and whether the form had it.
    deleted: RwSignal<Option<(Style, bool)>>,
    /// What an import has done.
    imported: RwSignal<String>,
}

/// The error in the response to an imported file.
#[derive(Deserialize)]
struct Rejection {
    detail: String,
}

#[cfg_attr(
    feature = "split",
    leptos::wasm_split::wasm_split(on_demand, wasm_split_path = leptos::wasm_split, preload(fetch_styles), fallible)
)]
fn styles(form: GenerationForm) -> Result<AnyView, AppError> {
    let panel = Panel {
        form,
        search: RwSignal::new(String::new()),
        edited: RwSignal::new(None),
        error: RwSignal::new(None),
        deleted: RwSignal::new(None),
        imported: RwSignal::new(String::new()),
    };
    Ok(panel.view())
}

/// The panel's content.
#[cfg(not(feature = "split"))]
pub fn content(form: GenerationForm) -> AnyView {
    styles(form).unwrap_or_else(|_| nothing())
}

/// The panel's content. [`fetch`] has loaded its code, so that the first poll renders it.
#[cfg(feature = "split")]
pub fn content(form: GenerationForm) -> AnyView {
    futures::FutureExt::now_or_never(styles(form)).and_then(Result::ok).unwrap_or_else(nothing)
}

/// Waits until the panel's code is loaded. Fails if the server cannot be reached.
pub async fn fetch() -> Result<(), AppError> {
    #[cfg(feature = "split")]
    fetch_styles().await?;
    Ok(())
}

impl Panel {
    /// Carries out the action of the button that was clicked. The page's own list of actions has none of these: it would
    /// load them with the page.
    fn click(self, event: &ev::MouseEvent) {
        let of = |name: &str| {
            let part = browser::target(event)?.closest(&format!("[{name}]")).ok()??;
            part.get_attribute(name)
        };
        let style = || {
            let id = of("data-id")?.parse().ok()?;
            self.form.styles.find(StyleId(id))
        };
        match of("data-act").unwrap_or_default().as_str() {
            "new-style" => {
                let draft = self.form.draft().unwrap_or_default();
                let (prompt, negative_prompt) = (draft.prompt, draft.negative_prompt);
                self.edit(Style { id: StyleId(0), name: String::new(), prompt, negative_prompt });
            }
            "cancel-style" => self.cancel(),
            "restore-style" => self.restore(),
            act => match (act, style()) {
                ("use-style", Some(style)) => self.use_style(&style.name),
                ("edit-style", Some(style)) => self.edit(style),
                ("delete-style", Some(style)) => self.delete(style),
                _ => {}
            },
        }
    }

    /// Adds a style to the form, or removes it.
    fn use_style(self, name: &str) {
        self.form.edit(|draft| draft.styles = toggled(&draft.styles, name));
    }

    fn edit(self, style: Style) {
        self.error.set(None);
        self.edited.set(Some(style));
        focus("#style-name");
    }

    /// Ends editing without a change.
    fn cancel(self) {
        self.error.set(None);
        self.edited.set(None);
        focus("#style-search");
    }

    /// Deletes a style, also from the form: a generation with it would be refused.
    fn delete(self, style: Style) {
        let was_used = self.form.styles.chosen.with_untracked(|names| names.contains(&style.name));
        self.change(delete_style(style.id), move || {
            if was_used {
                self.use_style(&style.name);
            }
            self.deleted.set(Some((style, was_used)));
            focus("#style-search");
        });
    }

    /// Restores the style that was deleted last.
    fn restore(self) {
        let Some((style, was_used)) = self.deleted.get_untracked() else { return };
        self.change(restore_style(style.id), move || {
            self.deleted.set(None);
            if was_used {
                self.use_style(&style.name);
            }
            focus("#style-search");
        });
    }

    /// Saves the style that is edited.
    fn save(self) {
        let Some(before) = self.edited.get_untracked() else { return };
        let [name, prompt, negative] = FIELDS.map(|field| {
            browser::find(&format!("#style-{field}")).and_then(|field| browser::value(&field)).unwrap_or_default()
        });
        let to = name.trim().to_owned();
        let saved = async move {
            match before.id {
                StyleId(0) => create_style(name, prompt, negative).await,
                id => update_style(id, name, prompt, negative).await,
            }
        };
        self.change(saved, move || {
            self.form.edit(|draft| draft.styles = renamed(&draft.styles, &before.name, &to));
            self.cancel();
        });
    }

    /// Runs a change, then reads the styles again.
    fn change(self, change: impl Future<Output = Result<(), AppError>> + 'static, done: impl FnOnce() + 'static) {
        let change: std::pin::Pin<Box<dyn Future<Output = _>>> = Box::pin(change);
        let done: Box<dyn FnOnce()> = Box::new(done);
        self.imported.set(String::new());
        spawn_local(async move {
            let result = change.await;
            if result.is_ok() {
                done();
                self.form.styles.load().await;
            }
            self.error.try_set(result.err());
        });
    }

    /// Imports A1111's file.
    fn import(self, event: &ev::Event) {
        let files = browser::target(event).map(|field| browser::chosen_files(&field)).unwrap_or_default();
        let Some(file) = files.into_iter().next() else { return };
        spawn_local(async move {
            let Some(csv) = browser::file_text(&file).await else { return };
            let Ok(body) = serde_json::to_string(&protocol::StyleImport { csv }) else { return };
            let answer = browser::post_json("/api/v1/styles/import", body).await.unwrap_or_default();
            let text = match serde_json::from_str::<Vec<Style>>(&answer) {
                Ok(styles) if styles.len() == 1 => "1 style was imported.".to_owned(),
                Ok(styles) => format!("{} styles were imported.", styles.len()),
                Err(_) => match serde_json::from_str::<Rejection>(&answer) {
                    Ok(Rejection { detail }) => {
                        let file = format!("the file {}", browser::file_name(&file));
                        sentence(&detail.replacen("csv:", &file, 1))
                    }
                    Err(_) => "The server did not answer.".to_owned(),
                },
            };
            self.imported.try_set(text);
            self.form.styles.load().await;
        });
    }

    fn view(self) -> AnyView {
        let content = dynamic(move || match self.edited.get() {
            None => self.styles(),
            Some(style) => self.editor(style),
        });
        view! { <div class="styles-content" on:click=move |event: ev::MouseEvent| self.click(&event)>{content}</div> }
            .erase()
    }

    fn styles(self) -> AnyView {
        let known = self.form.styles.known;
        let found = Memo::new(move |_| {
            let search = self.search.get();
            known.with(|known| {
                let known = known.as_deref().unwrap_or_default();
                matching(known, &search).map(|style| style.id.0).collect::<Vec<_>>()
            })
        });
        let rows = Memo::new(move |_| found.with(|found| found.iter().copied().take(MAX_ROWS).collect::<Vec<_>>()));
        let keydown = move |event: ev::KeyboardEvent| {
            if event.key() == "Enter"
                && let Some(first) = found.with_untracked(|found| found.first().copied())
                && let Some(style) = self.form.styles.find(StyleId(first))
            {
                self.use_style(&style.name);
            }
        };
        let input = move |event: ev::Event| {
            self.search.set(browser::target(&event).and_then(|field| browser::value(&field)).unwrap_or_default());
        };
        let count = words(move || {
            let (all, shown) = (found.with(Vec::len), rows.with(Vec::len));
            match known.with(|known| known.as_ref().map(Vec::len)) {
                Some(0) => "There are no styles yet. Save the prompt as one, or import A1111's styles.csv.".to_owned(),
                Some(_) if all == 0 => "No style matches.".to_owned(),
                Some(_) if all > shown => format!("The first {shown} of {all}. Search for the others."),
                _ => String::new(),
            }
        });
        let search = self.search.get_untracked();
        view! {
            <h2 class="flyout-title">"Styles"</h2>
            <div class="flyout-acts">
                {button("button button-small", "new-style", "Save the prompt as a style")}
                <label class="button button-small file-button">
                    "Import styles.csv"
                    <input class="visually-hidden" type="file" accept=".csv,text/csv" on:change=move |event| self.import(&event)/>
                </label>
            </div>
            {self.messages()}
            <input id="style-search" class="style-search" type="search" aria-label="Search styles" placeholder="Search" autocomplete="off" value=search on:input=input on:keydown=keydown/>
            <ul class="style-list">{list(rows.into(), move |id| self.row(StyleId(id)))}</ul>
            <p class="flyout-text" role="status">{count}</p>
        }
        .erase()
    }

    fn row(self, id: StyleId) -> AnyView {
        let styles = self.form.styles;
        let style =
            Memo::new(move |_| styles.known.with(|known| known.as_ref()?.iter().find(|style| style.id == id).cloned()));
        let name =
            words(move || style.with(|style| style.as_ref().map(|style| style.name.clone()).unwrap_or_default()));
        let pressed = words(move || styles.chosen.with(|names| names.contains(&name.get())).to_string());
        let adds = dynamic(move || {
            let facts = style.with(|style| style.as_ref().map(facts).unwrap_or_default()).into_iter();
            let line =
                |fact: String| view! { <span class="style-adds" dir="auto" title=fact.clone()>{fact.clone()}</span> };
            facts.map(|fact| line(fact).erase()).collect::<Vec<_>>().into_any()
        });
        let icon = |act: &'static str, title: &'static str, icon: Icon| {
            let label = words(move || format!("{title} {}", name.get()));
            view! {
                <button class="icon-button" type="button" data-act=act aria-label=label title=title>{icon.view()}</button>
            }
            .erase()
        };
        view! {
            <li class="style-row" data-id=id.to_string()>
                <button class="style-use" type="button" data-act="use-style" aria-pressed=pressed>
                    <bdi class="style-name">{name}</bdi>
                    {adds}
                </button>
                {icon("edit-style", "Edit", Icon::Rename)}
                {icon("delete-style", "Delete", Icon::Delete)}
            </li>
        }
        .erase()
    }

    fn editor(self, style: Style) -> AnyView {
        let Style { id, name, prompt, negative_prompt } = style;
        let title = if id == StyleId(0) { "New style" } else { "Edit the style" };
        let submit = move |event: ev::SubmitEvent| {
            event.prevent_default();
            self.save();
        };
        let message = Signal::derive(move || self.error.with(|error| error.as_ref()?.beside_fields(&FIELDS)));
        view! {
            <h2 class="flyout-title">{title}</h2>
            <form class="style-editor" novalidate aria-label=title on:submit=submit>
                <Notice message/>
                {self.field("name", "Name of the style", name).line()}
                {self.field("prompt", "Added to the prompt", prompt).text(3)}
                {self.field("negative_prompt", "Added to the negative prompt", negative_prompt).text(2)}
                <p class="flyout-text">"Each text follows what you have typed, after a comma. If it contains {prompt}, what you have typed replaces that."</p>
                <div class="flyout-acts">
                    <button class="button button-primary" type="submit">"Save style"</button>
                    {button("button", "cancel-style", "Cancel")}
                </div>
            </form>
        }
        .erase()
    }

    fn field(self, name: &'static str, label: &'static str, value: String) -> Field {
        let error = Signal::derive(move || self.error.with(|error| error.as_ref()?.at_field(name).map(str::to_owned)));
        Field { id: format!("style-{name}"), name: name.to_owned(), label, value, error }
    }

    /// What has happened: a deletion that can be undone, an import, an error.
    fn messages(self) -> AnyView {
        let deleted = dynamic(move || match self.deleted.get() {
            Some((style, _)) => view! {
                <p class="style-message">
                    <span><bdi>{style.name}</bdi>" was deleted."</span>
                    {button("button button-small", "restore-style", "Undo")}
                </p>
            }
            .erase(),
            None => nothing(),
        });
        let text = dynamic(move || {
            let error = self.error.with(|error| error.as_ref().map(|error| sentence(&error.problem.to_string())));
            match error.unwrap_or_else(|| self.imported.get()) {
                text if text.is_empty() => nothing(),
                text => view! { <p class="style-message">{text}</p> }.erase(),
            }
        });
        view! { <div class="style-messages" role="status">{deleted}{text}</div> }.erase()
    }
}

fn button(class: &'static str, act: &'static str, label: &'static str) -> AnyView {
    view! { <button class=class type="button" data-act=act>{label}</button> }.erase()
}

/// Moves the focus to an element that this turn renders.
fn focus(selector: &'static str) {
    request_animation_frame(move || browser::focus(selector));
}
