//! A project in the list.

use super::{delete_dialog, delete_dialog::DeleteDialog, picture, rename_dialog, rename_dialog::RenameDialog};
use crate::forms::FormAction;
use crate::icons::Icon;
use crate::view::{Erase, dynamic, words};
use leptos::prelude::*;
use protocol::{Project, THUMBNAIL_SIDES_PX, thumbnail_url, url_path};

/// The newest picture, the name as a link to the project, its size and rate, and buttons to rename and delete it.
#[component]
pub fn ProjectCard(
    /// The project as it is now.
    project: Memo<Project>,
    /// The action of the rename dialog.
    rename: FormAction,
    /// The action of the delete dialog.
    delete: FormAction,
) -> impl IntoView {
    let id = project.read_untracked().id;
    let cover = Memo::new(move |_| project.with(|p| (cover_url(p), p.width, p.height)));
    let name = words(move || project.read().name.clone());
    let facts = words(move || project.with(|p| format!("{} × {} · {} fps", p.width, p.height, p.fps)));
    let label = move |verb: &'static str| words(move || format!("{verb} {}", project.read().name));
    view! {
        <li class="card">
            <div class="card-cover">
                {dynamic(move || {
                    let (src, width, height) = cover.get();
                    picture(src, width, height)
                })}
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
                        aria-label=label("Rename")
                        title="Rename"
                    >
                        {Icon::Rename.view()}
                    </button>
                    <button
                        class="icon-button"
                        type="button"
                        popovertarget=delete_dialog::dialog_id(id)
                        aria-label=label("Delete")
                        title="Delete"
                    >
                        {Icon::Delete.view()}
                    </button>
                </div>
            </div>
            <RenameDialog project action=rename/>
            <DeleteDialog project action=delete/>
        </li>
    }    .erase()
}

/// URL of the project's cover, for a card of up to 20 rem. A picture of a small project is its own thumbnail.
pub fn cover_url(project: &Project) -> Option<String> {
    let cover = project.cover.as_deref()?;
    let [.., largest] = THUMBNAIL_SIDES_PX;
    Some(match project.width.max(project.height) > largest {
        true => thumbnail_url(cover, largest),
        false => cover.to_owned(),
    })
}
