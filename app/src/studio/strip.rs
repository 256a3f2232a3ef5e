//! The frames beside each other.

use super::{Store, words};
use crate::view::{dynamic, list, nothing, words};
use leptos::prelude::*;
use protocol::{Frame, FrameId};

/// The strip under the viewer.
pub fn strip(store: Store) -> AnyView {
    let ids =
        Memo::new(move |_| store.state.with(|state| state.frames.iter().map(|frame| frame.id.0).collect::<Vec<_>>()));
    let empty = Memo::new(move |_| ids.with(Vec::is_empty));
    view! {
        <section class="timeline" aria-label="Timeline">
            <div class="strip" id="strip">
                {dynamic(move || if empty.get() {
                    view! { <p class="timeline-empty">"Frames will stand here, one beside the other."</p> }.into_any()
                } else {
                    nothing()
                })}
                <ol class="strip-frames">{list(ids.into(), move |id| clip(store, FrameId(id)))}</ol>
            </div>
        </section>
    }
    .into_any()
}

fn clip(store: Store, id: FrameId) -> AnyView {
    let frame = Memo::new(move |_| store.state.with(|state| state.frame(id).cloned()));
    let place = move || frame.with(|frame| frame.as_ref().map_or(0, |frame| frame.position + 1));
    let src = words(move || store.address(id));
    let current = Signal::derive(move || {
        let is = store.current.with(|frame| frame.as_ref().is_some_and(|frame| frame.id == id));
        if is { "true" } else { "false" }.to_owned()
    });
    let label = words(move || {
        let state = frame.with(|frame| frame.as_ref().map(|frame| frame.status.is_generating()));
        if state == Some(true) { format!("Frame {}, being made", place()) } else { format!("Frame {}", place()) }
    });
    let side = move |read: fn(&Frame) -> u32| {
        words(move || frame.with(|frame| frame.as_ref().map(read).unwrap_or_default()).to_string())
    };
    view! {
        <li class="clip">
            <button class="clip-button" type="button" data-act="select" data-id=id.0 aria-pressed=current aria-label=label>
                <img class="clip-picture" src=src alt="" width=side(|f| f.width) height=side(|f| f.height) decoding="async" draggable="false"/>
                {ring(store, id)}
                <span class="clip-place" aria-hidden="true">{words(move || place().to_string())}</span>
            </button>
        </li>
    }
    .into_any()
}

/// How far it is, as a ring that closes.
fn ring(store: Store, id: FrameId) -> AnyView {
    let done = Memo::new(move |_| store.state.with(|state| state.task_of(state.frame(id)?).map(words::done_permille)));
    let made = Memo::new(move |_| done.with(Option::is_some));
    dynamic(move || {
        if !made.get() {
            return nothing();
        }
        let dash = words(move || format!("{} 1000", done.get().unwrap_or(1000)));
        view! {
            <svg class="ring" viewBox="0 0 24 24" aria-hidden="true">
                <circle class="ring-way" cx="12" cy="12" r="9"/>
                <circle class="ring-done" cx="12" cy="12" r="9" pathLength="1000" stroke-dasharray=dash transform="rotate(-90 12 12)"/>
            </svg>
        }
        .into_any()
    })
}
