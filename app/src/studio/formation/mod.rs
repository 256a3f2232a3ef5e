//! How a take formed: the scrub bar under the viewer, the steps of a clip under the pointer, and finishing in fewer steps. This
//! code is a file of its own, which is loaded after the page has started if it has a frame: without script there is nothing to
//! scrub.

mod bar;
mod branch;
mod export;
mod finish;
mod hover;
mod steps;

#[cfg(feature = "split")]
use crate::studio::on_demand;
use crate::{
    error::AppError,
    studio::{GenerationForm, StepPicture, Store, on_demand::Loaded},
    view::{Erase, dynamic, nothing, words},
};
use leptos::prelude::*;
use protocol::TaskId;

#[cfg_attr(
    feature = "split",
    leptos::wasm_split::wasm_split(formation, wasm_split_path = leptos::wasm_split, preload(fetch_formation), fallible)
)]
fn formation(store: Store, form: GenerationForm, part: Part) -> Result<AnyView, AppError> {
    Ok(match part {
        Part::Bar => [bar::view(store, form), hover::view(store)].into_any(),
        Part::Finish(task) => finish::view(store, task),
    })
}

/// What this code renders.
#[derive(Clone, Copy)]
enum Part {
    Bar,
    Finish(TaskId),
}

#[cfg(not(feature = "split"))]
fn content(store: Store, form: GenerationForm, part: Part) -> AnyView {
    formation(store, form, part).unwrap_or_else(|_| nothing())
}

/// [`fetch`] has loaded its code, so that the first poll renders it.
#[cfg(feature = "split")]
fn content(store: Store, form: GenerationForm, part: Part) -> AnyView {
    on_demand::now(formation(store, form, part))
}

async fn fetch() -> Result<(), AppError> {
    #[cfg(feature = "split")]
    fetch_formation().await?;
    Ok(())
}

/// Loads this code once the studio shows a frame.
pub fn load(store: Store) -> Loaded {
    let loaded = Loaded::new(store);
    Effect::new(move |_| {
        if store.current.with(Option::is_some) {
            loaded.load(fetch());
        }
    });
    loaded
}

/// The row of the scrub bar. It is always there, so that nothing moves when a take with a trace is shown.
pub fn row(loaded: Loaded, store: Store, form: GenerationForm) -> AnyView {
    view! { <div class="scrub-row">{loaded.view(move || content(store, form, Part::Bar))}</div> }.erase()
}

/// The button that finishes the picture of a running or paused task in fewer steps.
pub fn finish_button(loaded: Loaded, store: Store, form: GenerationForm, task: TaskId) -> AnyView {
    loaded.view(move || content(store, form, Part::Finish(task)))
}

/// The picture of the step that is scrubbed to, over the picture of the take.
pub fn step_picture(store: Store) -> AnyView {
    let is_any = Memo::new(move |_| store.scrubbed.with(Option::is_some));
    dynamic(move || {
        if !is_any.get() {
            return nothing();
        }
        let of = move |read: fn(&StepPicture) -> &String| {
            words(move || store.scrubbed.with(|step| step.as_ref().map(read).cloned().unwrap_or_default()))
        };
        // It has the latent's size and the take's aspect ratio; the viewer's style enlarges both to the same box.
        view! {
            <img
                class="viewer-picture viewer-forming viewer-step-picture"
                src=of(|step| &step.src)
                alt=of(|step| &step.alt)
                decoding="sync"
                draggable="false"
            />
        }
        .erase()
    })
}
