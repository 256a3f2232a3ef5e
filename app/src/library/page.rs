//! The page's state and its list.

use super::{card::card, head, view::LibraryView};
use crate::{
    browser,
    components::TopBar,
    drafts::{Filter, LIBRARY_PAGE, Library},
    error::AppError,
    forms::Notice,
    live::{Live, wire},
    serverfns::library::{list_library, scan_library, update_library_item},
    view::{Erase, dynamic, list, nothing},
};
use leptos::{ev, prelude::*, task::spawn_local};
use protocol::{LibraryId, LibraryItem, ProjectId, url_path};

/// Pause in typing after which the list is read, milliseconds.
const PAUSE_MS: u32 = 200;
/// Wait after an event about the library, milliseconds: events come in groups.
const EVENT_MS: u32 = 400;

impl LibraryView {
    /// Reads the list again after a pause. A later call replaces this one.
    fn refresh(self, pause_ms: u32) {
        let Some(version) = self.version.try_update(|version| {
            *version = version.wrapping_add(1);
            *version
        }) else {
            return;
        };
        spawn_local(async move {
            browser::wait(pause_ms).await;
            let is_newest = || self.version.try_get_untracked() == Some(version);
            if !is_newest() {
                return;
            }
            let page = list_library(self.filter.get_untracked()).await.and_then(|page| page.open());
            if is_newest() {
                match page {
                    Ok(page) => {
                        self.failed.set(None);
                        self.page.set(page);
                    }
                    Err(error) => self.fail(error),
                }
            }
        });
    }

    fn fail(self, error: AppError) {
        self.failed.try_set(Some(error.problem.to_string()));
    }

    /// A message of the socket.
    fn handle_message(self, text: &str) {
        // Files may have changed between the rendering of the page and the first message.
        if matches!(wire::kind(text).as_deref(), Some("library_updated" | "hello")) {
            self.refresh(EVENT_MS);
        }
    }

    /// A field of the form was changed.
    fn changed(self, event: &ev::Event) {
        let Some(form) = browser::target(event).and_then(|field| field.closest("form[role=search]").ok()?) else {
            return;
        };
        let text = |name: &str| browser::field(&form, name).unwrap_or_default();
        let (before, project) = (self.filter.get_untracked(), text("project"));
        let filter = Filter {
            search: text("search"),
            kind: text("kind"),
            favourites: text("favourites"),
            after: before.after.clone(),
            project,
        };
        // A page of the old list would be an arbitrary part of the new one.
        let is_same = Filter { project: filter.project.clone(), ..before } == filter;
        let filter = if is_same { filter } else { Filter { after: String::new(), ..filter } };
        browser::show_address(&filter.address());
        self.filter.set(filter);
        if !is_same {
            self.refresh(PAUSE_MS);
        }
    }

    /// Carries out what a submitted form asks for; `data-act` names it.
    fn submitted(self, event: &ev::SubmitEvent) {
        let Some(form) = browser::target(event) else { return };
        event.prevent_default();
        let id = LibraryId(form.get_attribute("data-id").unwrap_or_default());
        match form.get_attribute("data-act").as_deref() {
            Some("star") => {
                let favourite = browser::field(&form, "favourite").is_some_and(|text| text == "true");
                self.update(id, Some(favourite), None);
            }
            Some("mark") => self.update(id, None, browser::field(&form, "distillation")),
            Some("scan") => spawn_local(async move {
                match scan_library().await {
                    Ok(()) => self.refresh(0),
                    Err(error) => self.fail(error),
                }
            }),
            _ => self.refresh(0),
        }
    }

    fn update(self, id: LibraryId, favourite: Option<bool>, distillation: Option<String>) {
        spawn_local(async move {
            match update_library_item(id, favourite, distillation).await.and_then(|item| item.open()) {
                Ok(item) => _ = self.page.try_update(|page| replace(page, item)),
                Err(error) => self.fail(error),
            }
        });
    }

    /// The file with this key. It keeps its last value until its card is removed.
    fn item(self, key: i64) -> Option<Memo<LibraryItem>> {
        let find = move |page: &protocol::LibraryPage| page.items.iter().find(|item| self::key(item) == key).cloned();
        let first = self.page.with_untracked(find)?;
        Some(Memo::new(move |last: Option<&LibraryItem>| {
            self.page.with(find).unwrap_or_else(|| last.unwrap_or(&first).clone())
        }))
    }

    fn list(self) -> AnyView {
        let keys = Memo::new(move |_| self.page.with(|page| page.items.iter().map(key).collect::<Vec<_>>()));
        let cards = list(keys.into(), move |key| match self.item(key) {
            Some(item) => card(item, self.filter),
            None => nothing(),
        });
        view! {
            <ul class="library-cards">{cards}</ul>
            {dynamic(move || self.parts())}
        }
        .erase()
    }

    /// Links to the other pages of the list.
    fn parts(self) -> AnyView {
        let filter = self.filter.get();
        let (shown, matching, last) = self.page.with(|page| {
            (page.items.len() as u64, page.matching, page.items.last().map(LibraryItem::place).unwrap_or_default())
        });
        let link = |after: String, label: &'static str| {
            let address = url_path(&Filter { after, ..filter.clone() }.address());
            view! { <a class="button" href=address>{label}</a> }.erase()
        };
        let is_part = !filter.after.is_empty();
        let has_more = if is_part { shown >= LIBRARY_PAGE as u64 } else { matching > shown };
        if !is_part && !has_more {
            return nothing();
        }
        view! {
            <nav class="parts" aria-label="More files">
                {if is_part { link(String::new(), "First files") } else { nothing() }}
                {if has_more { link(last, "Show more") } else { nothing() }}
            </nav>
        }
        .erase()
    }
}

/// Replaces a file in the list.
fn replace(page: &mut protocol::LibraryPage, item: LibraryItem) {
    if let Some(place) = page.items.iter_mut().find(|known| known.id == item.id) {
        *place = item;
    }
}

/// The id as a number, for the keyed list.
fn key(item: &LibraryItem) -> i64 {
    u64::from_str_radix(&item.id.0, 16).unwrap_or_default() as i64
}

/// The page.
#[component]
pub fn LibraryPage(
    /// What the page was rendered with.
    library: Library,
) -> impl IntoView {
    let Library { filter, page, projects } = library;
    let view = LibraryView {
        filter: RwSignal::new(filter),
        page: RwSignal::new(page),
        version: RwSignal::new(0),
        failed: RwSignal::new(None),
    };
    Live::expect().listen(move |text| view.handle_message(text), || "/ws".to_owned());
    let project: Option<ProjectId> = view.filter.with_untracked(|filter| filter.project.parse().ok());
    let has_items = Memo::new(move |_| view.page.with(|page| !page.items.is_empty()));
    view! {
        <TopBar/>
        <main
            id="main"
            class="page library"
            tabindex="-1"
            on:input=move |event| view.changed(&event)
            on:submit=move |event| view.submitted(&event)
        >
            {head::head(view)}
            <Notice message=view.failed/>
            {head::search(view, projects, project)}
            {head::notes(view)}
            {dynamic(move || if has_items.get() { view.list() } else { head::empty(view) })}
        </main>
    }
    .erase()
}
