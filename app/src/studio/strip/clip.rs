//! One clip.

use super::Strip;
use crate::{
    studio::{Store, words},
    view::{dynamic, nothing, words},
};
use leptos::prelude::*;
use protocol::{Frame, FrameId};

impl Strip {
    /// A thumbnail as wide as its frame is long. The width is an attribute of an empty drawing: the page's
    /// policy allows no inline style, and the server must be able to say it too.
    pub fn clip(self, id: FrameId) -> AnyView {
        let store = self.store;
        let frame = Memo::new(move |_| store.state.with(|state| state.frame(id).cloned()));
        let place = move || frame.with(|frame| frame.as_ref().map_or(0, |frame| frame.position + 1));
        let is_current =
            Memo::new(move |_| store.seen.with(|frame| frame.as_ref().is_some_and(|frame| frame.id == id)));
        let is_marked = Memo::new(move |_| self.marks.with(|marks| marks.contains(id.0)));
        let label = words(move || {
            let forming = frame.with(|frame| frame.as_ref().is_some_and(|frame| frame.status.is_generating()));
            if forming { format!("Frame {}, being made", place()) } else { format!("Frame {}", place()) }
        });
        let width = words(move || {
            let duration = self
                .clips
                .with(|clips| clips.place(id.0).and_then(|place| clips.get(place)))
                .map_or(1, |clip| clip.duration);
            (self.axis.get().x_from_time(f64::from(duration)).round() as i64 - GAP_PX).max(4).to_string()
        });
        let side = move |read: fn(&Frame) -> u32| {
            words(move || frame.with(|frame| frame.as_ref().map(read).unwrap_or_default()).to_string())
        };
        let duration = words(move || {
            frame.with(|frame| match frame.as_ref().map(|frame| frame.duration) {
                Some(duration) if duration > 1 => format!("{} ×{duration}", place()),
                _ => place().to_string(),
            })
        });
        view! {
            <li class="clip" data-clip=id.0>
                <button
                    class="clip-button"
                    type="button"
                    data-act="select"
                    data-id=id.0
                    aria-pressed=words(move || (is_current.get() || is_marked.get()).to_string())
                    aria-current=words(move || is_current.get().to_string())
                    aria-label=label
                    tabindex=words(move || if is_current.get() { "0" } else { "-1" }.to_owned())
                >
                    <svg class="clip-width" width=width height="1" aria-hidden="true"></svg>
                    <img
                        class="clip-picture"
                        src=words(move || store.address(id))
                        alt=""
                        width=side(|frame| frame.width)
                        height=side(|frame| frame.height)
                        decoding="sync"
                        draggable="false"
                    />
                    {ring(store, id)}
                    <span class="clip-place" aria-hidden="true">{duration}</span>
                </button>
                <span class="clip-edge" data-edge="" aria-hidden="true"></span>
            </li>
        }
        .into_any()
    }
}

/// Between two clips, CSS pixels; as in the style sheet.
const GAP_PX: i64 = 2;

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
