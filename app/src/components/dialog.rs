//! What the dialogs share. They are popovers, so that they open and close without script.

use crate::view::home_link;
use leptos::{either::Either, html, prelude::*};

/// Closes a dialog that was opened as a popover; nothing happens to one that is closed.
pub fn close(dialog: NodeRef<html::Dialog>) {
    if let Some(dialog) = dialog.get_untracked() {
        _ = dialog.hide_popover();
    }
}

/// The way out of a dialog: a popover is hidden by its button, one that stands open by a link to the page
/// without the error.
#[component]
pub fn Cancel(
    /// The dialog's id.
    #[prop(into)]
    dialog: String,
    /// Whether it stands open by itself: after a post without script that was refused, in the page that came back.
    standing: bool,
) -> impl IntoView {
    if standing {
        Either::Left(home_link("button", None, "Cancel"))
    } else {
        Either::Right(view! {
            <button class="button" type="button" popovertarget=dialog popovertargetaction="hide">
                "Cancel"
            </button>
        })
    }
}
