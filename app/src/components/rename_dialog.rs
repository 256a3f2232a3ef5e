//! The dialog that renames a project.

use super::dialog::{self, Cancel};
use crate::forms::{FormAction, action};
use crate::{
    browser,
    drafts::rename_refused,
    forms::{Field, Notice, focus_when_invalid},
    serverfns::projects::update_project,
    view::Erase,
};
use leptos::{ev::SubmitEvent, html, prelude::*};
use protocol::{Project, ProjectId, ProjectPatch};

/// The id of the dialog, for a button's `popovertarget`.
pub fn dialog_id(id: ProjectId) -> String {
    format!("rename-{id}")
}

/// A popover, which opens without script. After a rejected post without script the page is rendered with the dialog open.
#[component]
pub fn RenameDialog(
    /// The project.
    project: Memo<Project>,
    /// The renaming, shared by all cards: an error is shown only in the dialog of its project.
    action: FormAction,
) -> impl IntoView {
    let id = project.read_untracked().id;
    let node = NodeRef::<html::Dialog>::new();
    let form = NodeRef::<html::Form>::new();
    let id_text = id.to_string();
    let error = Memo::new(move |_| {
        action.rejection(|error| Some(error).filter(|error| error.kept("id") == Some(&id_text)).cloned())
    });
    let posted_error = error.get_untracked();
    let open = RwSignal::new(posted_error.is_some());
    let name = posted_error.as_ref().and_then(|error| error.kept("name").map(str::to_owned));
    let at_name = Signal::derive(move || error.with(|e| e.as_ref()?.at_field("name").map(str::to_owned)));
    let beside = Signal::derive(move || error.with(|e| e.as_ref()?.beside_fields(&["name"])));
    let submit = move |event: SubmitEvent| {
        let Some(name) = action::submitted(&event).and_then(|form| browser::field(&form, "name")) else { return };
        let patch = ProjectPatch { name: Some(name.clone()), ..Default::default() };
        match patch.validated() {
            Err(problem) => action.reject(rename_refused(id, &name, problem)),
            Ok(_) => action.run(update_project(id, name)),
        }
    };
    focus_when_invalid(form, move || error.with(Option::is_some));
    Effect::new(move |_| {
        if action.outcome.with(|outcome| matches!(outcome, Some(Ok(done)) if done.id == id)) {
            if open.get_untracked() {
                open.set(false);
                // The address still has the error: a reload would show it again.
                browser::show_address("/");
            }
            dialog::close(node);
        }
    });
    let title_id = format!("rename-title-{id}");
    let field = Field {
        id: format!("rename-name-{id}"),
        name: "name".to_owned(),
        label: "Name",
        value: name.unwrap_or_else(|| project.read_untracked().name.clone()),
        error: at_name,
    };
    view! {
        <dialog id=dialog_id(id) class="dialog" popover="auto" open=open aria-labelledby=title_id node_ref=node>
            <h2 id=title_id.clone() class="dialog-title">"Rename project"</h2>
            <form method="post" action=action.address() node_ref=form class="form" novalidate on:submit=submit>
                <Notice message=beside/>
                <input type="hidden" name="id" value=id.to_string()/>
                {field.line()}
                <div class="form-actions">
                    <button class="button button-primary" type="submit" disabled=action.is_pending()>"Rename"</button>
                    <Cancel dialog=dialog_id(id) open=open.get_untracked()/>
                </div>
            </form>
        </dialog>
    }
    .erase()
}
