//! The dialog that asks before a project is deleted.

use super::Cancel;
use crate::forms::{FormAction, action};
use crate::{
    browser,
    serverfns::projects::delete_project,
    view::{Erase, words},
};
use leptos::{ev::SubmitEvent, prelude::*};
use protocol::{Project, ProjectId};

/// The id of the dialog, for a button's `popovertarget`.
pub fn dialog_id(id: ProjectId) -> String {
    format!("delete-{id}")
}

/// A popover, which opens without script. Cancel comes first, so that Enter right after opening deletes nothing.
#[component]
pub fn DeleteDialog(
    /// The project.
    project: Memo<Project>,
    /// The deletion, shared by all cards.
    action: FormAction,
) -> impl IntoView {
    let id = project.read_untracked().id;
    let title_id = format!("delete-title-{id}");
    let submit = move |event: SubmitEvent| {
        if action::submitted(&event).is_some() {
            action.run(async move {
                let deleted = delete_project(id).await;
                if deleted.is_ok() {
                    // The address of a post without script: after a reload the page still offers to undo.
                    browser::show_address(&format!("/?deleted={id}"));
                }
                deleted
            });
        }
    };
    view! {
        <dialog id=dialog_id(id) class="dialog" popover="auto" aria-labelledby=title_id>
            <h2 id=title_id.clone() class="dialog-title">
                "Delete “"<bdi>{words(move || project.read().name.clone())}</bdi>"”?"
            </h2>
            <p class="dialog-text">"Its pictures are deleted too. You can undo this for 30 days."</p>
            <form method="post" action=action.address() class="form" on:submit=submit>
                <input type="hidden" name="id" value=id.to_string()/>
                <div class="form-actions">
                    <Cancel dialog=dialog_id(id) open=false/>
                    <button class="button button-danger" type="submit" disabled=action.is_pending()>"Delete project"</button>
                </div>
            </form>
        </dialog>
    }    .erase()
}
