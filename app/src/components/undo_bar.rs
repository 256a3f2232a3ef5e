//! What stands at the foot of the list after a deletion.

use super::Icon;
use crate::{
    error::sentence,
    serverfns::projects::{DeleteProject, RestoreProject},
};
use leptos::{form::ActionForm, prelude::*};
use protocol::ProjectId;

/// Says that a project was deleted and offers to take it back.
#[component]
pub fn UndoBar(
    /// The deleted project.
    id: ProjectId,
    /// The deletion, which knows the name where it was done in this page.
    deleted: ServerAction<DeleteProject>,
    /// What Undo does.
    action: ServerAction<RestoreProject>,
) -> impl IntoView {
    let name = move || {
        deleted.value().with(|outcome| match outcome {
            Some(Ok(project)) if project.id == id => format!("“{}”", project.name),
            _ => "The project".to_owned(),
        })
    };
    let failed = move || {
        let why = action.value().with(|outcome| Some(outcome.as_ref()?.as_ref().err()?.problem.to_string()));
        why.map(|why| view! { <p class="undo-bar-error">{sentence(&why)}</p> })
    };
    view! {
        <div class="undo-bar" role="status">
            <p class="undo-bar-text"><bdi>{name}</bdi>" was deleted."</p>
            {failed}
            <ActionForm action>
                <input type="hidden" name="id" value=id.to_string()/>
                <button class="button button-accent" type="submit" disabled=move || action.pending().get()>"Undo"</button>
            </ActionForm>
            <a class="icon-button" href="/" aria-label="Dismiss">{Icon::Close.view()}</a>
        </div>
    }
}
