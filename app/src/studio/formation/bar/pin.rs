//! The button that pins the trace of the shown take.

use super::Bar;
use crate::{
    icons::Icon,
    serverfns::takes::update_take,
    view::{Erase, words},
};
use leptos::{prelude::*, task::spawn_local};
use protocol::{TakeId, TakePatch};

const LABEL: &str = "Pin these steps";
const TITLE: &str = "Pin these steps: they stay when the space for steps is used up";

impl Bar {
    /// Pins the trace, or takes that back. Shown at once; what the server refuses is taken back.
    fn toggle_pin(self) {
        let Some(take) = self.shown.get_untracked().map(|shown| shown.take) else { return };
        let pinned = !self.steps.with_untracked(|steps| steps.pinned);
        self.steps.update(|steps| steps.pinned = pinned);
        spawn_local(async move {
            if let Err(error) = update_take(take, TakePatch { trace_pinned: Some(pinned) }).await {
                self.unpin(take, pinned);
                self.store.refuse(error);
            }
        });
    }

    fn unpin(self, take: TakeId, pinned: bool) {
        if self.shown.try_get_untracked().flatten().is_some_and(|shown| shown.take == take) {
            self.steps.try_update(|steps| steps.pinned = !pinned);
        }
    }

    /// The button.
    pub(super) fn pin_button(self) -> AnyView {
        let pressed = words(move || self.steps.with(|steps| steps.pinned).to_string());
        view! {
            <button class="icon-button toggle" type="button" aria-label=LABEL title=TITLE aria-pressed=pressed on:click=move |_| self.toggle_pin()>
                {Icon::Pin.view()}
            </button>
        }
        .erase()
    }
}
