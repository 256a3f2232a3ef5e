//! The dialog that gives a project another name.

use super::{
    Field, Notice,
    dialog::{self, Cancel},
    field::focus_first_invalid,
};
use crate::{form::rename_refused, serverfns::projects::UpdateProject};
use leptos::{
    ev::SubmitEvent,
    form::{ActionForm, FromFormData},
    html,
    prelude::*,
};
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
    action: ServerAction<UpdateProject>,
) -> impl IntoView {
    let id = project.read_untracked().id;
    let node = NodeRef::<html::Dialog>::new();
    let form = NodeRef::<html::Form>::new();
    let value = action.value();
    let id_text = id.to_string();
    let error = Memo::new(move |_| {
        value.with(|outcome| outcome.as_ref()?.as_ref().err().filter(|e| e.kept("id") == Some(&id_text)).cloned())
    });
    let refused_before = error.get_untracked();
    let standing = dialog::standing(refused_before.is_some());
    let name = refused_before.as_ref().and_then(|error| error.kept("name").map(str::to_owned));
    let at_name = Signal::derive(move || error.with(|e| e.as_ref()?.at_field("name").map(str::to_owned)));
    let beside = Signal::derive(move || error.with(|e| e.as_ref()?.beside_fields(&["name"])));
    let check = move |event: SubmitEvent| {
        if let Ok(UpdateProject { id, name }) = UpdateProject::from_event(&event) {
            let patch = ProjectPatch { name: Some(name.clone()), ..Default::default() };
            if let Err(problem) = patch.validated() {
                event.prevent_default();
                value.set(Some(Err(rename_refused(id, &name, problem))));
            }
        }
    };
    focus_first_invalid(form, move || error.with(Option::is_some));
    Effect::new(move |_| {
        if value.with(|outcome| matches!(outcome, Some(Ok(done)) if done.id == id)) {
            standing.set(false);
            dialog::close(node);
        }
    });
    let title_id = format!("rename-title-{id}");
    view! {
        <dialog id=dialog_id(id) class="dialog" popover="auto" open=move || standing.get() aria-labelledby=title_id node_ref=node>
            <h2 id=title_id.clone() class="dialog-title">"Rename project"</h2>
            <ActionForm action node_ref=form attr:class="form" attr:novalidate=true on:submit:capture=check>
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
                    <button class="button button-primary" type="submit" disabled=move || action.pending().get()>"Rename"</button>
                    <Cancel dialog=dialog_id(id) standing/>
                </div>
            </ActionForm>
        </dialog>
    }
}
