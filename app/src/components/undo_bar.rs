//! What stands at the foot of the list after a deletion.

use super::{Deed, Icon, deed};
use crate::{browser, error::sentence, serverfns::projects::restore_project, view::home_link};
use leptos::{ev::SubmitEvent, prelude::*};
use protocol::ProjectId;

/// Says that a project was deleted and offers to take it back.
#[component]
pub fn UndoBar(
    /// The deleted project.
    id: ProjectId,
    /// The deletion, which knows the name where it was done in this page.
    deleted: Deed,
    /// What Undo does.
    action: Deed,
) -> impl IntoView {
    let name = move || {
        deleted.outcome.with(|outcome| match outcome {
            Some(Ok(project)) if project.id == id => format!("“{}”", project.name),
            _ => "The project".to_owned(),
        })
    };
    let failed = move || {
        let why = action.refusal(|error| Some(error.problem.to_string()));
        why.map(|why| view! { <p class="undo-bar-error">{sentence(&why)}</p> })
    };
    let send = move |event: SubmitEvent| {
        if deed::taken(&event).is_some() {
            action.run(async move {
                let restored = restore_project(id).await;
                if restored.is_ok() {
                    browser::show_address("/");
                }
                restored
            });
        }
    };
    view! {
        <div class="undo-bar" role="status">
            <p class="undo-bar-text"><bdi>{name}</bdi>" was deleted."</p>
            {failed}
            <form method="post" action=action.address() on:submit=send>
                <input type="hidden" name="id" value=id.to_string()/>
                <button class="button button-accent" type="submit" disabled=move || action.pending.get()>"Undo"</button>
            </form>
            {home_link("icon-button", Some("Dismiss"), Icon::Close.view())}
        </div>
    }
}
