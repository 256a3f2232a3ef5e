//! The wall: the takes of a frame at once, over the viewer, while they form. Its code is a file of its own, which is loaded when a
//! wall is opened: without script there is none.

mod keys;
mod view;

#[cfg(feature = "split")]
use crate::studio::on_demand;
use crate::{
    act::Act,
    browser,
    error::AppError,
    icons::Icon,
    studio::{Store, cells::OpenWall, inspector::Inspector, on_demand::Loaded, timeline::Timeline},
    view::{Erase, dynamic, nothing, words},
};
use leptos::prelude::*;

#[cfg_attr(
    feature = "split",
    leptos::wasm_split::wasm_split(wall, wasm_split_path = leptos::wasm_split, preload(fetch_wall), fallible)
)]
fn wall(store: Store, inspector: Inspector, timeline: Timeline) -> Result<AnyView, AppError> {
    Ok(view::Wall::new(store, inspector, timeline).view())
}

#[cfg(not(feature = "split"))]
fn content(store: Store, inspector: Inspector, timeline: Timeline) -> AnyView {
    wall(store, inspector, timeline).unwrap_or_else(|_| nothing())
}

/// [`fetch`] has loaded its code, so that the first poll renders it.
#[cfg(feature = "split")]
fn content(store: Store, inspector: Inspector, timeline: Timeline) -> AnyView {
    on_demand::now(wall(store, inspector, timeline))
}

async fn fetch() -> Result<(), AppError> {
    #[cfg(feature = "split")]
    fetch_wall().await?;
    Ok(())
}

/// The button that opens and closes the wall, and the wall of the current frame while it is open.
pub fn part(store: Store, inspector: Inspector, timeline: Timeline) -> AnyView {
    let loaded = Loaded::new(store);
    Effect::new(move |_| {
        if store.shows_wall.get() {
            loaded.load(fetch());
        }
    });
    follow(store);
    let several = Memo::new(move |_| inspector.finished() + store.open_tasks_of_current() > 1);
    let opener = move || match several.get() || store.shows_wall.get() {
        true => opener(store),
        false => nothing(),
    };
    let wall = move || match store.shows_wall.get() {
        true => loaded.view(move || content(store, inspector, timeline)),
        false => nothing(),
    };
    [dynamic(opener), dynamic(wall)].into_any()
}

fn opener(store: Store) -> AnyView {
    let label = "All takes at once";
    view! {
        <button
            class="icon-button toggle wall-opener"
            type="button"
            data-act=Act::Wall.as_str()
            aria-label=label
            title="All takes at once (W)"
            aria-pressed=words(move || store.shows_wall.get().to_string())
        >
            {Icon::Wall.view()}
        </button>
    }
    .erase()
}

/// Opens the wall that was open before a reload, and stores which one is open, with what is chosen on it.
fn follow(store: Store) {
    Effect::new(move |before: Option<()>| {
        let key = format!("wall-{}", store.project_id());
        let stored = || browser::recall(&key).and_then(|text| OpenWall::from_text(&text));
        // Not before hydration: the server renders no wall.
        if let (None, Some(wall)) = (before, stored())
            && store.state.with_untracked(|state| state.frame(wall.frame).is_some())
        {
            store.chosen.set(Some(wall.frame));
            store.wall.set(Some(wall));
        }
        browser::remember(&key, &store.wall.with(|wall| wall.as_ref().map(OpenWall::to_text)).unwrap_or_default());
    });
}
