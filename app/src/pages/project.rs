//! One project: the studio's room, with nothing in it yet.

use super::problem::ProblemPage;
use crate::{
    components::{Icon, Picture},
    error::AppError,
    live::Live,
    serverfns::projects::get_project,
};
use leptos::{either::Either, prelude::*};
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use protocol::{Problem, Project, ProjectId};

/// The project of the address; an id that is no number is a page that is not there.
#[component]
pub fn ProjectPage() -> impl IntoView {
    let live = Live::expect();
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|p| p.get_str("id")?.parse::<ProjectId>().ok()));
    let project = Resource::new(
        move || (id.get(), live.projects_changed.get()),
        |(id, _)| async move {
            let found = match id {
                Some(id) => get_project(id).await?.ok_or_else(|| format!("project {id}")),
                None => Err("page at this address".to_owned()),
            };
            found.map_err(|what| AppError::from(Problem::NotFound(what)))
        },
    );
    view! {
        <Transition fallback=|| view! { <main id="main" class="page" tabindex="-1" aria-busy="true"></main> }>
            {move || project.get().map(|found| match found {
                Ok(project) => Either::Left(view! { <Studio project/> }),
                Err(error) => Either::Right(view! { <ProblemPage problem=error.problem/> }),
            })}
        </Transition>
    }
}

#[component]
fn Studio(project: Project) -> impl IntoView {
    let Project { name, width, height, fps, cover, .. } = project;
    let empty = cover.is_none();
    view! {
        <Title text=name.clone()/>
        <main id="main" class="studio" tabindex="-1">
            <div class="studio-head">
                <a class="icon-button" href="/" aria-label="All projects" title="All projects">{Icon::Back.view()}</a>
                <h1 class="studio-name" dir="auto">{name}</h1>
                <ul class="facts">
                    <li>{width}" × "{height}</li>
                    <li>{fps}" fps"</li>
                </ul>
            </div>
            <div class="viewer">
                <Picture src=cover width height/>
            </div>
            <section class="timeline" aria-labelledby="timeline-title">
                <h2 id="timeline-title" class="timeline-title">"Timeline"</h2>
                <div class="timeline-strip">
                    {empty.then(|| view! { <p class="timeline-empty">"No frames yet."</p> })}
                </div>
            </section>
        </main>
    }
}
