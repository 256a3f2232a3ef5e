//! The dialog that gives a project another name.

use super::{
    Deed, Field, Notice, deed,
    dialog::{self, Cancel},
    field::focus_first_invalid,
};
use crate::{browser, form::rename_refused, serverfns::projects::update_project};
use leptos::{ev::SubmitEvent, html, prelude::*};
use protocol::{Project, ProjectId, ProjectPatch};

/// The element that a button opens (`popovertarget`).
pub fn dialog_id(id: ProjectId) -> String {
    format!("rename-{id}")
}

/// A popover, which opens without script. After a post without script that was refused it stands open in
/// the page that comes back.
#[component]
pub fn RenameDialog(
    /// The project.
    project: Memo<Project>,
    /// What it does; shared by all cards, so an error is shown only where its id is this project's.
    action: Deed,
) -> impl IntoView {
    let id = project.read_untracked().id;
    let node = NodeRef::<html::Dialog>::new();
    let form = NodeRef::<html::Form>::new();
    let id_text = id.to_string();
    let error = Memo::new(move |_| {
        action.refusal(|error| Some(error).filter(|error| error.kept("id") == Some(&id_text)).cloned())
    });
    let refused_before = error.get_untracked();
    let standing = RwSignal::new(refused_before.is_some());
    let name = refused_before.as_ref().and_then(|error| error.kept("name").map(str::to_owned));
    let at_name = Signal::derive(move || error.with(|e| e.as_ref()?.at_field("name").map(str::to_owned)));
    let beside = Signal::derive(move || error.with(|e| e.as_ref()?.beside_fields(&["name"])));
    let send = move |event: SubmitEvent| {
        let Some(name) = deed::taken(&event).and_then(|form| browser::field(&form, "name")) else { return };
        let patch = ProjectPatch { name: Some(name.clone()), ..Default::default() };
        match patch.validated() {
            Err(problem) => action.refuse(rename_refused(id, &name, problem)),
            Ok(_) => action.run(update_project(id, name)),
        }
    };
    focus_first_invalid(form, move || error.with(Option::is_some));
    Effect::new(move |_| {
        if action.outcome.with(|outcome| matches!(outcome, Some(Ok(done)) if done.id == id)) {
            if standing.get_untracked() {
                standing.set(false);
                // The address has the refusal still: a reload would show it again.
                browser::show_address("/");
            }
            dialog::close(node);
        }
    });
    let title_id = format!("rename-title-{id}");
    view! {
        <dialog id=dialog_id(id) class="dialog" popover="auto" open=move || standing.get() aria-labelledby=title_id node_ref=node>
            <h2 id=title_id.clone() class="dialog-title">"Rename project"</h2>
            <form method="post" action=action.address() node_ref=form class="form" novalidate on:submit=send>
                <Notice message=beside/>
                <input type="hidden" name="id" value=id.to_string()/>
                <Field
                    id=format!("rename-name-{id}")
                    label="Name"
                    name="name"
                    value=name.unwrap_or_else(|| project.read_untracked().name.clone())
                    error=at_name
                />
                <div class="form-actions">
                    <button class="button button-primary" type="submit" disabled=move || action.pending.get()>"Rename"</button>
                    <Cancel dialog=dialog_id(id) standing=standing.get_untracked()/>
                </div>
            </form>
        </dialog>
    }
}
