//! The picture to start from.

use super::{FORM, Form, remember};
use crate::{
    browser,
    studio::{Store, draft::Draft},
    view::{button, dynamic, nothing},
};
use leptos::prelude::*;
use protocol::TakeId;

/// How much of it is redone at first.
const STRENGTH: &str = "0.6";

/// Puts a take into the form as the picture to start from.
pub fn start_from(store: Store, take: TakeId) {
    if let Some(form) = browser::find(FORM) {
        browser::set_field(&form, "draft[init_take_id]", &take.to_string());
        if browser::field(&form, "draft[strength]").is_none_or(|strength| strength.is_empty()) {
            browser::set_field(&form, "draft[strength]", STRENGTH);
        }
        remember(store);
        // It is shown in the same turn as this runs; what is hidden takes no focus.
        request_animation_frame(|| browser::focus("#generation-strength"));
    }
}

/// Takes the picture to start from out of the form.
pub fn start_anew(store: Store) {
    if let Some(form) = browser::find(FORM) {
        browser::set_field(&form, "draft[init_take_id]", "");
        remember(store);
    }
}

impl Form {
    /// The take to start from: which, how much of it is redone, and a way to do without. The fields are in the
    /// page always, so that what is kept of the form has a place.
    pub(super) fn start(self, draft: &mut Draft) -> AnyView {
        let (store, chosen) = (self.store, self.start);
        let id = draft.take("init_take_id");
        chosen.set(id.parse().ok().map(TakeId));
        let picture = dynamic(move || {
            let shown = chosen.get().and_then(|take| {
                store.state.with(|state| {
                    let frame = state.frames.iter().find(|frame| frame.selected_take_id == Some(take))?;
                    let etag = frame.etag.as_deref()?;
                    (frame.take_id == take).then(|| format!("{}?v={}", frame.path, crate::studio::address::hash(etag)))
                })
            });
            match shown {
                Some(src) => view! { <img class="start-picture" src=src alt=""/> }.into_any(),
                None => nothing(),
            }
        });
        let is_off = Signal::derive(move || chosen.get().is_none());
        view! {
            <input type="hidden" id="generation-start" name="draft[init_take_id]" value=id/>
            <fieldset class="maker-start" hidden=is_off>
                <legend>"Start from this picture"</legend>
                {picture}
                {self.field(draft, "strength", "Strength").number("0", "1", "0.05", "")}
                {button("button button-small", "start-anew", "", "Do without")}
            </fieldset>
        }
        .into_any()
    }
}
