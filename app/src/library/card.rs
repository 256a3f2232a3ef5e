//! A file in the library's list.

use super::kind_label;
use crate::{
    drafts::Filter,
    error::sentence,
    format::{count, file_size},
    icons::Icon,
    query,
    serverfns::library::RECOGNISED,
    view::{Erase, dynamic, nothing, words},
};
use generation::Distillation;
use leptos::prelude::*;
use protocol::{LibraryItem, LibraryKind, url_path};

/// Most trigger words on a card.
const MAX_WORDS: usize = 12;

/// The file's picture, name and facts; a star, a link that uses it, and more facts that can be shown.
pub fn card(item: Memo<LibraryItem>, filter: RwSignal<Filter>) -> AnyView {
    let LibraryItem { id, kind, .. } = item.get_untracked();
    // The star changes alone: rendered again, its button would lose the focus.
    let body = Memo::new(move |_| LibraryItem { favourite: false, ..item.get() });
    let shown = Memo::new(move |_| body.with(|item| item.title.clone().unwrap_or_else(|| item.name.clone())));
    let href = words(move || {
        let project = filter.with(|filter| filter.project.clone());
        body.with(|item| use_address(item, &project)).unwrap_or_default()
    });
    let is_usable = Memo::new(move |_| !href.with(String::is_empty));
    let can_use = dynamic(move || match is_usable.get() {
        true => {
            let label = words(move || format!("Use {}", shown.get()));
            view! { <a class="button button-small" href=href aria-label=label>"Use"</a> }.erase()
        }
        false => nothing(),
    });
    let class =
        words(move || if body.with(|item| item.problem.is_some()) { "item item-refused" } else { "item" }.to_owned());
    view! {
        <li class=class data-kind=kind.as_str()>
            <div class="item-cover">{dynamic(move || cover(body.with(|item| item.thumbnail.clone())))}</div>
            <div class="item-head">
                <h2 class="item-name" dir="auto">{words(move || shown.get())}</h2>
                {star(item, shown)}
            </div>
            {dynamic(move || body.with(text))}
            <div class="item-foot">
                {can_use}
                <details class="item-more">
                    <summary>"Details"</summary>
                    {dynamic(move || body.with(facts))}
                    {if matches!(kind, LibraryKind::Checkpoint | LibraryKind::Lora) { mark(item, id.to_string(), shown) } else { nothing() }}
                </details>
            </div>
        </li>
    }
    .erase()
}

/// The address that uses a file in a project; none if it cannot be used, or there is no project.
fn use_address(item: &LibraryItem, project: &str) -> Option<String> {
    let field = match item.kind {
        LibraryKind::Checkpoint => "model",
        LibraryKind::Lora => "lora",
        LibraryKind::Embedding => "word",
        LibraryKind::Vae | LibraryKind::Upscaler => return None,
    };
    if item.problem.is_some() || project.is_empty() {
        return None;
    }
    Some(url_path(&format!("/projects/{project}?{}", query::encode(&[(field, &item.name)]))))
}

fn cover(thumbnail: Option<String>) -> AnyView {
    match thumbnail {
        Some(src) => view! { <img class="item-picture" src=src alt="" loading="lazy" decoding="async"/> }.erase(),
        None => view! { <span class="item-blank">{Icon::Picture.view()}</span> }.erase(),
    }
}

/// The button that marks a favourite.
fn star(item: Memo<LibraryItem>, shown: Memo<String>) -> AnyView {
    let id = item.with_untracked(|item| item.id.to_string());
    let is_favourite = Memo::new(move |_| item.with(|item| item.favourite));
    let label = words(move || format!("Favourite: {}", shown.get()));
    view! {
        <form class="inline-form" method="post" action=url_path("/fn/library/update") data-act="star" data-id=id>
            <input type="hidden" name="id" value=id.clone()/>
            <input type="hidden" name="favourite" value=words(move || (!is_favourite.get()).to_string())/>
            <button class="icon-button item-star" type="submit" aria-pressed=words(move || is_favourite.get().to_string()) aria-label=label title="Favourite">
                {Icon::Star.view()}
            </button>
        </form>
    }
    .erase()
}

/// What the card always says of a file.
fn text(item: &LibraryItem) -> AnyView {
    let mut facts = vec![kind_label(item.kind).to_owned()];
    facts.extend(item.family.clone());
    facts.push(file_size(item.bytes));
    facts.extend(item.loaded.then(|| "in memory".to_owned()));
    let line = |class: &'static str, text: String| match text.is_empty() {
        true => nothing(),
        false => view! { <p class=class dir="auto">{text}</p> }.erase(),
    };
    let words = item.trigger_words.iter().take(MAX_WORDS).cloned().collect::<Vec<_>>().join(", ");
    let distilled = item.distillation.as_ref().map(|distillation| distillation.title.clone()).unwrap_or_default();
    view! {
        <p class="card-facts">{facts.join(" · ")}</p>
        {line("item-distilled", distilled)}
        {line("item-words", words)}
        {line("item-problem", item.problem.as_deref().map(sentence).unwrap_or_default())}
    }
    .erase()
}

/// The other facts.
fn facts(item: &LibraryItem) -> AnyView {
    let takes = Some(item.takes).filter(|takes| *takes > 0).map(|takes| count(takes as usize, "picture", "pictures"));
    let hashes = &item.hashes;
    let facts = [
        ("Name", Some(item.name.clone())),
        ("Base", item.base.clone()),
        ("Contents", item.details.clone()),
        ("Author", item.author.clone()),
        ("Needs", item.memory_bytes.map(|bytes| format!("{} of memory", file_size(bytes)))),
        ("Made with it", takes),
        ("File", Some(item.file.clone())),
        ("Folder", Some(item.folder.clone())),
        ("AutoV3", hashes.auto_v3.clone()),
        ("AutoV2", hashes.auto_v2.clone()),
        ("SHA-256", hashes.sha256.clone()),
    ];
    let rows = facts.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let rows: Vec<AnyView> =
        rows.map(|(name, value)| view! { <dt>{name}</dt><dd dir="auto">{value}</dd> }.erase()).collect();
    view! { <dl class="facts-list">{rows}</dl> }.erase()
}

/// The form that says how a file was distilled, where its name and its metadata do not.
fn mark(item: Memo<LibraryItem>, id: String, shown: Memo<String>) -> AnyView {
    let chosen = item.with_untracked(|item| {
        let marked = item.distillation.as_ref().filter(|distillation| distillation.is_marked);
        marked.map(|distillation| distillation.name.clone()).unwrap_or_default()
    });
    let own = [(RECOGNISED, "As recognised"), ("none", "Not distilled")];
    let names = own.into_iter().chain(Distillation::NAMES.iter().map(|name| (*name, *name)));
    let options: Vec<AnyView> = names
        .map(|(value, label)| view! { <option value=value selected=value == chosen>{label}</option> }.erase())
        .collect();
    let field = format!("distillation-{id}");
    let button = words(move || format!("Set the distillation of {}", shown.get()));
    view! {
        <form class="item-mark" method="post" action=url_path("/fn/library/update") data-act="mark" data-id=id>
            <input type="hidden" name="id" value=id.clone()/>
            <label for=field.clone()>"Distilled"</label>
            <select id=field name="distillation">{options}</select>
            <button class="button button-small" type="submit" aria-label=button>"Set"</button>
        </form>
    }
    .erase()
}
