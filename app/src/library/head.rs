//! The head of the library's page: its state, and the form that filters the list.

use super::{kind_label, view::LibraryView};
use crate::{
    error::sentence,
    format::count,
    view::{Erase, dynamic, nothing, words},
};
use leptos::prelude::*;
use protocol::{LibraryKind, ProjectId, url_path};

/// The title, the number of files, and the button that scans the folders again.
pub fn head(view: LibraryView) -> AnyView {
    let counted = words(move || {
        let narrow = view.filter.with(|filter| filter.is_narrow());
        view.page.with(|page| match narrow {
            true => format!("{} of {}", page.matching, count(page.status.items as usize, "file", "files")),
            false => count(page.status.items as usize, "file", "files"),
        })
    });
    let has_folders = Memo::new(move |_| view.page.with(|page| !page.status.folders.is_empty()));
    let scan = dynamic(move || match has_folders.get() {
        true => view! {
            <form class="inline-form" method="post" action=url_path("/fn/library/scan") data-act="scan">
                <button class="button" type="submit">"Scan again"</button>
            </form>
        }
        .erase(),
        false => nothing(),
    });
    view! {
        <div class="page-head">
            <h1 class="page-title">"Library"</h1>
            <p class="page-count">{counted}</p>
            {scan}
        </div>
    }
    .erase()
}

/// The form: search, kind, favourites, and the project that files are used in. It also works without script.
pub fn search(view: LibraryView, projects: Vec<(ProjectId, String)>, project: Option<ProjectId>) -> AnyView {
    let filter = view.filter.get_untracked();
    let kinds: Vec<AnyView> = LibraryKind::ALL
        .into_iter()
        .map(|kind| option(kind.as_str().to_owned(), kind_label(kind).to_owned(), kind.as_str() == filter.kind))
        .collect();
    let used_in = match projects.is_empty() {
        true => nothing(),
        false => {
            let options = projects.into_iter().map(|(id, name)| option(id.to_string(), name, Some(id) == project));
            let options: Vec<AnyView> = options.collect();
            view! {
                <div class="field">
                    <label for="library-project">"Use in project"</label>
                    <select id="library-project" name="project">{options}</select>
                </div>
            }
            .erase()
        }
    };
    view! {
        <form class="library-filter" role="search" aria-label="Library" method="get" action=url_path("/library")>
            <div class="field library-search">
                <label for="library-search">"Search"</label>
                <input
                    id="library-search"
                    type="search"
                    name="search"
                    value=filter.search
                    placeholder="Name, trigger word, base"
                    autocomplete="off"
                    spellcheck="false"
                />
            </div>
            <div class="field">
                <label for="library-kind">"Kind"</label>
                <select id="library-kind" name="kind"><option value="">"All"</option>{kinds}</select>
            </div>
            {used_in}
            <label class="check"><input type="checkbox" name="favourites" value="on" checked=!filter.favourites.is_empty()/>"Favourites"</label>
            // As `inner_html`: with script the browser reads the content as text, and hydration would not find the button.
            <noscript inner_html=SEARCH></noscript>
        </form>
    }
    .erase()
}

const SEARCH: &str = r#"<button class="button" type="submit">Search</button>"#;

fn option(value: String, label: String, selected: bool) -> AnyView {
    view! { <option value=value selected=selected>{label}</option> }.erase()
}

/// What is going on: a scan, hashes, folders that cannot be read.
pub fn notes(view: LibraryView) -> AnyView {
    let status = Memo::new(move |_| view.page.with(|page| page.status.clone()));
    let text = words(move || {
        status.with(|status| {
            let mut parts = Vec::new();
            if status.scanning {
                parts.push("The folders are being scanned.".to_owned());
            }
            if status.unhashed > 0 {
                parts.push(format!("Hashes to compute: {}.", status.unhashed));
            }
            if status.refused > 0 {
                parts.push(format!("{} cannot be used.", count(status.refused as usize, "file", "files")));
            }
            parts.extend(status.problems.iter().map(|problem| sentence(problem)));
            parts.join(" ")
        })
    });
    view! { <p class="library-note" role="status">{text}</p> }.erase()
}

/// The text in place of an empty list.
pub fn empty(view: LibraryView) -> AnyView {
    let (has_folders, scanning) = view.page.with(|page| (!page.status.folders.is_empty(), page.status.scanning));
    let narrow = view.filter.with(|filter| filter.is_narrow());
    let text = match (has_folders, scanning, narrow) {
        (false, ..) => {
            return view! {
                <p class="library-empty">
                    "This server has no library. Start it with "<code>"--models FOLDER"</code>
                    ": the folder of your checkpoints, LoRA files and embeddings, as ComfyUI and A1111 arrange them."
                </p>
            }
            .erase();
        }
        (_, _, true) => "No file matches.",
        (_, true, _) => "The folders are being scanned.",
        _ => "The folders have no files that Emberline knows.",
    };
    view! { <p class="library-empty">{text}</p> }.erase()
}
