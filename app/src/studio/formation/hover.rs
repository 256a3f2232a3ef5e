//! The mouse over a clip of the timeline goes through the steps in which its take formed.

use super::steps::Steps;
use crate::{
    browser::{self, Area},
    serverfns::takes::get_trace,
    studio::Store,
    view::Erase,
};
use leptos::{ev, prelude::*, reactive::owner::LocalStorage, task::spawn_local};
use protocol::{FrameId, TakeId};

/// How long the mouse rests on a clip before its steps are read.
const REST_MS: u32 = 150;
/// Edge of the timeline's scrolling element: a clip that is scrolled out of it is not drawn over.
const STRIP: &str = "#strip";
const PICTURE: &str = ".clip-formation";

#[derive(Clone, Copy)]
struct Hover {
    store: Store,
    /// The frame of the clip under the mouse.
    frame: RwSignal<Option<FrameId>>,
    steps: RwSignal<Steps>,
    /// The picture that is shown over the clip.
    src: RwSignal<Option<String>>,
    /// Pictures of the clip's steps, decoded.
    ahead: StoredValue<Option<browser::Held>, LocalStorage>,
}

/// The picture over the clip under the mouse. One for all clips: each clip that left the page would leave its own behind.
pub fn view(store: Store) -> AnyView {
    let (frame, steps, src) = (RwSignal::new(None), RwSignal::new(Steps::default()), RwSignal::new(None));
    let hover = Hover { store, frame, steps, src, ahead: StoredValue::new_local(None) };
    let moved = window_event_listener(ev::pointermove, move |event| hover.moved(&event));
    let scrolled = window_event_listener(ev::wheel, move |_| hover.leave());
    on_cleanup(move || {
        moved.remove();
        scrolled.remove();
    });
    Effect::new(move |_| {
        if store.playing.with(Option::is_some) {
            hover.leave();
        }
    });
    view! {
        <img
            class="clip-formation"
            src=move || src.get()
            alt=""
            aria-hidden="true"
            hidden=move || src.with(Option::is_none)
            decoding="sync"
            draggable="false"
        />
    }
    .erase()
}

impl Hover {
    /// Follows the mouse. A finger scrolls the timeline, and a pressed button drags a clip.
    fn moved(self, event: &ev::PointerEvent) {
        let is_looking = event.pointer_type() == "mouse" && event.buttons() == 0;
        let clip = is_looking.then(|| browser::target(event)?.closest(".clip").ok()?).flatten();
        let button = clip.as_ref().and_then(|clip| clip.query_selector(".clip-button").ok()?);
        let (Some(clip), Some(button)) = (clip, button) else { return self.leave() };
        let frame = clip.get_attribute("data-clip").and_then(|id| id.parse().ok()).map(FrameId);
        if frame != self.frame.get_untracked() {
            self.leave();
            self.frame.set(frame);
            spawn_local(self.read());
        }
        let area = browser::area(&button);
        let share = (f64::from(event.client_x()) - area.left) / area.width.max(1.0);
        if let Some(path) = self.steps.with_untracked(|steps| steps.at_share(share).map(|kept| kept.path.clone())) {
            self.place(area);
            if self.src.with_untracked(|src| src.as_ref() != Some(&path)) {
                self.src.set(Some(path));
            }
        }
    }

    /// Lays the picture over the clip, within the timeline.
    fn place(self, clip: Area) {
        let (Some(picture), Some(strip)) = (browser::find(PICTURE), browser::find(STRIP).as_ref().map(browser::area))
        else {
            return;
        };
        let left = clip.left.max(strip.left);
        let right = (clip.left + clip.width).min(strip.left + strip.width);
        for (property, length) in [("left", left), ("top", clip.top), ("width", right - left), ("height", clip.height)]
        {
            browser::style(&picture, property, &format!("{}px", length.round() as i64));
        }
    }

    fn leave(self) {
        if self.frame.with_untracked(Option::is_some) {
            self.frame.set(None);
            self.src.set(None);
            self.steps.set(Steps::default());
            self.ahead.set_value(None);
        }
    }

    /// Reads and decodes the steps of the clip's finished take.
    async fn read(self) {
        browser::wait(REST_MS).await;
        let take = || -> Option<TakeId> {
            let frame = self.frame.try_get_untracked()??;
            self.store.state.with_untracked(|state| state.frame(frame)?.selected_take_id)
        };
        let Some(of) = take() else { return };
        let Ok(Some(trace)) = get_trace(of).await.and_then(|trace| trace.open()) else { return };
        if take() == Some(of) {
            let steps = Steps::from(trace);
            self.ahead.set_value(Some(browser::preload(steps.paths())));
            self.steps.set(steps);
        }
    }
}
