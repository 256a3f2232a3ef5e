//! Shared parts of the dialogs. They are popovers, so that they open and close without script.

use crate::view::{Erase, home_link};
use leptos::{html, prelude::*};

/// Closes a dialog. Does nothing if it is closed.
pub fn close(dialog: NodeRef<html::Dialog>) {
    if let Some(dialog) = dialog.get_untracked() {
        _ = dialog.hide_popover();
    }
}

/// The Cancel button of a dialog. It hides a popover; a dialog that was rendered open is left by a link to the page
/// without the error.
#[component]
pub fn Cancel(
    /// The dialog's id.
    #[prop(into)]
    dialog: String,
    /// Whether the dialog was rendered open, after a rejected post without script.
    open: bool,
) -> impl IntoView {
    if open {
        home_link("button", None, "Cancel")
    } else {
        view! {
            <button class="button" type="button" popovertarget=dialog popovertargetaction="hide">
                "Cancel"
            </button>
        }
        .erase()
    }
}
