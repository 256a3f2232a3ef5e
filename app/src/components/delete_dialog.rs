//! The question before a project is deleted.

use super::{Cancel, Deed, deed};
use crate::{browser, serverfns::projects::delete_project};
use leptos::{ev::SubmitEvent, prelude::*};
use protocol::{Project, ProjectId};

/// The element that a button opens (`popovertarget`).
pub fn dialog_id(id: ProjectId) -> String {
    format!("delete-{id}")
}

/// A popover, which opens without script. Cancel comes first, so that Enter on opening harms nothing.
#[component]
pub fn DeleteDialog(
    /// The project.
    project: Memo<Project>,
    /// What it does.
    action: Deed,
) -> impl IntoView {
    let id = project.read_untracked().id;
    let title_id = format!("delete-title-{id}");
    let send = move |event: SubmitEvent| {
        if deed::taken(&event).is_some() {
            action.run(async move {
                let deleted = delete_project(id).await;
                if deleted.is_ok() {
                    // As a post without script leaves it: a reload still offers to take it back.
                    browser::show_address(&format!("/?deleted={id}"));
                }
                deleted
            });
        }
    };
    view! {
        <dialog id=dialog_id(id) class="dialog" popover="auto" aria-labelledby=title_id>
            <h2 id=title_id.clone() class="dialog-title">
                "Delete “"<bdi>{move || project.read().name.clone()}</bdi>"”?"
            </h2>
            <p class="dialog-text">"Its pictures go with it. You can take this back for a while."</p>
            <form method="post" action=action.address() class="form" on:submit=send>
                <input type="hidden" name="id" value=id.to_string()/>
                <div class="form-actions">
                    <Cancel dialog=dialog_id(id) standing=false/>
                    <button class="button button-danger" type="submit" disabled=move || action.pending.get()>"Delete project"</button>
                </div>
            </form>
        </dialog>
    }
}
