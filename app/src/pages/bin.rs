//! The deleted projects.

use crate::{
    components::{TopBar, cover_url, picture},
    serverfns::projects::RestoreProject,
    view::Erase,
};
use leptos::{prelude::*, server_fn::ServerFn};
use protocol::{BinProject, url_path};

/// The deleted projects, each with a form that restores it and returns to the list of projects. It works without script.
#[component]
pub fn BinPage(
    /// The deleted projects, newest deletion first.
    deleted: Vec<BinProject>,
) -> impl IntoView {
    let list = match deleted.is_empty() {
        true => view! { <p>"The bin is empty."</p> }.erase(),
        false => {
            let rows: Vec<AnyView> = deleted.into_iter().map(row).collect();
            view! { <ul class="cards">{rows}</ul> }.erase()
        }
    };
    view! {
        <TopBar/>
        <main id="main" class="page" tabindex="-1">
            <div class="page-head">
                <h1 class="page-title">"Bin"</h1>
                <p class="page-count">"Deleted projects are kept for 30 days."</p>
                <a class="button" href=url_path("/")>"All projects"</a>
            </div>
            {list}
        </main>
    }
    .erase()
}

fn row(BinProject { project, kept_until, .. }: BinProject) -> AnyView {
    let day = kept_until.split('T').next().unwrap_or_default().to_owned();
    view! {
        <li class="card">
            <div class="card-cover">{picture(cover_url(&project), project.width, project.height)}</div>
            <div class="card-foot">
                <div class="card-text">
                    <h2 class="card-name" dir="auto">{project.name.clone()}</h2>
                    <p class="card-facts">"Kept until "<time datetime=kept_until>{day}</time></p>
                </div>
                <form method="post" action=url_path(RestoreProject::PATH)>
                    <input type="hidden" name="id" value=project.id.to_string()/>
                    <button class="button button-small" type="submit" aria-label=format!("Restore {}", project.name)>"Restore"</button>
                </form>
            </div>
        </li>
    }
    .erase()
}
