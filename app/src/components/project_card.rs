//! A project in the list.

use super::{
    Deed, Icon, Picture, delete_dialog, delete_dialog::DeleteDialog, rename_dialog, rename_dialog::RenameDialog,
};
use leptos::prelude::*;
use protocol::{Project, url_path};

/// The newest picture, the name that opens the project, its size and rate, and what can be done with it.
#[component]
pub fn ProjectCard(
    /// The project as it is now.
    project: Memo<Project>,
    /// Gives it another name.
    rename: Deed,
    /// Deletes it.
    delete: Deed,
) -> impl IntoView {
    let id = project.read_untracked().id;
    let cover = Memo::new(move |_| project.with(|p| (p.cover.clone(), p.width, p.height)));
    let name = move || project.read().name.clone();
    let facts = move || project.with(|p| format!("{} × {} · {} fps", p.width, p.height, p.fps));
    view! {
        <li class="card">
            <div class="card-cover">
                {move || {
                    let (src, width, height) = cover.get();
                    view! { <Picture src width height/> }
                }}
            </div>
            <div class="card-foot">
                <div class="card-text">
                    <h2 class="card-name"><a class="card-link" href=url_path(&format!("/projects/{id}")) dir="auto">{name}</a></h2>
                    <p class="card-facts">{facts}</p>
                </div>
                <div class="card-actions">
                    <button
                        class="icon-button"
                        type="button"
                        popovertarget=rename_dialog::dialog_id(id)
                        aria-label=move || format!("Rename {}", name())
                        title="Rename"
                    >
                        {Icon::Rename.view()}
                    </button>
                    <button
                        class="icon-button"
                        type="button"
                        popovertarget=delete_dialog::dialog_id(id)
                        aria-label=move || format!("Delete {}", name())
                        title="Delete"
                    >
                        {Icon::Delete.view()}
                    </button>
                </div>
            </div>
            <RenameDialog project action=rename/>
            <DeleteDialog project action=delete/>
        </li>
    }
}
