//! The initial image: the take that a generation starts from.

use super::GenerationForm;
use crate::{
    act::Act,
    browser,
    buttons::button,
    drafts::Draft,
    forms::field::Number,
    studio::address,
    view::{Erase, dynamic, nothing},
};
use generation::{DEFAULT_STRENGTH, limits};
use leptos::prelude::*;
use protocol::TakeId;

/// Side of the initial image on the form, CSS pixels.
const START_PX: u32 = 48;

impl GenerationForm {
    /// Makes a take the initial image.
    pub fn start_from(self, take: TakeId) {
        self.edit(|draft| {
            draft.init_take_id = take.to_string();
            // A branch has the initial image of its take.
            draft.branch_of.clear();
            draft.from_step.clear();
            if draft.strength.is_empty() {
                draft.strength = DEFAULT_STRENGTH.to_string();
            }
        });
        // The field is shown in the same turn; a hidden element takes no focus.
        request_animation_frame(|| browser::focus("#generation-strength"));
    }

    /// Removes the initial image.
    pub fn clear_start(self) {
        self.edit(|draft| draft.init_take_id.clear());
    }

    /// The fields of the initial image: thumbnail, strength, and a button that removes it. They are always in the page, so
    /// that stored values can be written into them.
    pub(super) fn start(self, draft: &mut Draft) -> AnyView {
        let (store, chosen) = (self.store, self.init_take);
        let id = draft.take("init_take_id");
        chosen.set(id.parse().ok().map(TakeId));
        let picture = dynamic(move || {
            let shown = chosen.get().and_then(|take| {
                store.state.with(|state| {
                    let frame = state.frames.iter().find(|frame| frame.selected_take_id == Some(take))?;
                    let etag = frame.etag.as_deref()?;
                    let url = format!("{}?v={}", frame.path, address::hash(etag));
                    (frame.take_id == take).then(|| address::thumbnail(url, (frame.width, frame.height), START_PX))
                })
            });
            match shown {
                Some(src) => view! { <img class="start-picture" src=src alt=""/> }.erase(),
                None => nothing(),
            }
        });
        let is_off = Signal::derive(move || chosen.get().is_none());
        view! {
            <input type="hidden" id="generation-start" name="draft[init_take_id]" value=id/>
            <fieldset class="maker-start" hidden=is_off>
                <legend>"Start from this picture"</legend>
                {picture}
                {self.field(draft, "strength", "Strength").number(Number::within(&limits::STRENGTH, "0.05"))}
                {button("button button-small", Act::ClearStart, "", "Remove")}
            </fieldset>
        }
        .erase()
    }
}
