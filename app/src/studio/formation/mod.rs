//! How a take formed: the scrub bar under the viewer, and the steps of a clip under the pointer. This code is a file of its own,
//! which is loaded after the page has started if it has a frame: without script there is nothing to scrub.

mod bar;
mod branch;
mod export;
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

#[cfg_attr(
    feature = "split",
    leptos::wasm_split::wasm_split(formation, wasm_split_path = leptos::wasm_split, preload(fetch_formation), fallible)
)]
fn formation(store: Store, form: GenerationForm) -> Result<AnyView, AppError> {
    Ok([bar::view(store, form), hover::view(store)].into_any())
}

#[cfg(not(feature = "split"))]
fn content(store: Store, form: GenerationForm) -> AnyView {
    formation(store, form).unwrap_or_else(|_| nothing())
}

/// [`fetch`] has loaded its code, so that the first poll renders it.
#[cfg(feature = "split")]
fn content(store: Store, form: GenerationForm) -> AnyView {
    on_demand::now(formation(store, form))
}

async fn fetch() -> Result<(), AppError> {
    #[cfg(feature = "split")]
    fetch_formation().await?;
    Ok(())
}

/// The row of the scrub bar. It is always there, so that nothing moves when a take with a trace is shown.
pub fn row(store: Store, form: GenerationForm) -> AnyView {
    let loaded = Loaded::new(store);
    Effect::new(move |_| {
        if store.current.with(Option::is_some) {
            loaded.load(fetch());
        }
    });
    view! { <div class="scrub-row">{loaded.view(move || content(store, form))}</div> }.erase()
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
