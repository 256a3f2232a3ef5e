//! The bar that offers to undo the deletion of a project.

use crate::forms::{FormAction, action};
use crate::icons::Icon;
use crate::{
    browser,
    error::sentence,
    serverfns::projects::restore_project,
    view::{Erase, dynamic, home_link, nothing, words},
};
use leptos::{ev::SubmitEvent, prelude::*};
use protocol::ProjectId;

/// Says that a project was deleted and offers to restore it.
#[component]
pub fn UndoBar(
    /// The deleted project.
    id: ProjectId,
    /// The deletion. It knows the project's name if it happened in this page.
    deleted: FormAction,
    /// The restoration.
    action: FormAction,
) -> impl IntoView {
    let name = words(move || {
        deleted.outcome.with(|outcome| match outcome {
            Some(Ok(project)) if project.id == id => format!("“{}”", project.name),
            _ => "The project".to_owned(),
        })
    });
    let failed = dynamic(move || match action.rejection(|error| Some(error.problem.to_string())) {
        Some(why) => view! { <p class="undo-bar-error">{sentence(&why)}</p> }.erase(),
        None => nothing(),
    });
    let submit = move |event: SubmitEvent| {
        if action::submitted(&event).is_some() {
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
            <form method="post" action=action.address() on:submit=submit>
                <input type="hidden" name="id" value=id.to_string()/>
                <button class="button button-accent" type="submit" disabled=action.is_pending()>"Undo"</button>
            </form>
            {home_link("icon-button", Some("Dismiss"), Icon::Close.view())}
        </div>
    }
    .erase()
}
