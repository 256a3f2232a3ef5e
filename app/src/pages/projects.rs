//! The list of projects.

use crate::{
    components::{Cancel, Deed, Notice, PageTitle, ProjectCard, ProjectForm, TopBar, UndoBar, standing},
    error::AppError,
    format::count,
    live::Live,
    serverfns::{
        models::list_models,
        projects::{CreateProject, DeleteProject, RestoreProject, UpdateProject, list_projects},
    },
    view::{self, dynamic, nothing},
};
use leptos::{prelude::*, server_fn::ServerFn};
use leptos_router::hooks::use_query_map;
use protocol::{Project, ProjectId};

const NEW_DIALOG: &str = "new-project";

/// What the page does, shared by its parts.
#[derive(Clone, Copy)]
struct Actions {
    create: Deed,
    rename: Deed,
    delete: Deed,
    restore: Deed,
}

/// The list's answer once it is there.
type Projects = Signal<Option<Result<Vec<Project>, AppError>>>;

/// Width and height of the default model's best pictures.
type Size = Signal<Option<(u32, u32)>>;

/// All projects. The list is read again after each change made here and each change heard of.
#[component]
pub fn ProjectsPage() -> impl IntoView {
    let live = Live::expect();
    let actions = Actions {
        create: Deed::new(CreateProject::PATH),
        rename: Deed::new(UpdateProject::PATH),
        delete: Deed::new(DeleteProject::PATH),
        restore: Deed::new(RestoreProject::PATH),
    };
    let changes = move || {
        let Actions { rename, delete, restore, .. } = actions;
        (live.projects_changed.get(), rename.version.get(), delete.version.get(), restore.version.get())
    };
    let read = Resource::new(changes, |_| async { (list_projects().await, list_models().await) });
    let projects = Signal::derive(move || Some(read.get()?.0.and_then(|list| list.open())));
    // A new project's pictures have the size that the model draws best.
    let size = Signal::derive(move || {
        let models = read.get().and_then(|(_, models)| models.and_then(|models| models.open()).ok());
        models.and_then(|models| models.first().map(|model| (model.recommended.width, model.recommended.height)))
    });
    view! {
        <PageTitle text="Projects".to_owned()/>
        <TopBar/>
        <main id="main" class="page" tabindex="-1">
            <Transition fallback=|| view! { <p class="page-wait" role="status">"Reading the projects…"</p> }>
                <ProjectList projects size actions/>
            </Transition>
        </main>
    }
}

/// Which of its faces the page shows; the cards stay in place while the list changes under them.
#[derive(Clone, PartialEq)]
enum Face {
    Waiting,
    Failed(String),
    Empty,
    Cards,
}

#[component]
fn ProjectList(projects: Projects, size: Size, actions: Actions) -> impl IntoView {
    let face = Memo::new(move |_| {
        projects.with(|answer| match answer {
            None => Face::Waiting,
            Some(Err(error)) => Face::Failed(error.problem.to_string()),
            Some(Ok(list)) if list.is_empty() => Face::Empty,
            Some(Ok(_)) => Face::Cards,
        })
    });
    let list =
        Memo::new(move |_| projects.with(|p| p.as_ref().and_then(|p| p.as_ref().ok()).cloned().unwrap_or_default()));
    let query = use_query_map();
    let deleted = Memo::new(move |_| {
        let id: ProjectId = query.with(|q| q.get_str("deleted")?.parse().ok())?;
        (face.get() != Face::Waiting && list.with(|list| list.iter().all(|p| p.id != id))).then_some(id)
    });
    view! {
        {dynamic(move || match face.get() {
            Face::Waiting => nothing(),
            Face::Failed(why) => view! {
                <h1 class="page-title">"Projects"</h1>
                <Notice message=Signal::stored(Some(why))/>
            }
            .into_any(),
            Face::Empty => view! { <Welcome size actions/> }.into_any(),
            Face::Cards => view! { <Cards list size actions/> }.into_any(),
        })}
        {move || deleted.get().map(|id| view! { <UndoBar id deleted=actions.delete action=actions.restore/> })}
    }
}

#[component]
fn Welcome(size: Size, actions: Actions) -> impl IntoView {
    view! {
        <div class="welcome">
            <div class="welcome-text">
                <h1 class="welcome-title">"Make your first project"</h1>
                <p>"A project is a sequence of pictures of one size, played at one rate."</p>
                <p>"Give it a name, choose a size, and create it. You can rename it at any time."</p>
            </div>
            <section class="panel" aria-label="New project">
                <ProjectForm action=actions.create size=size.get_untracked()/>
            </section>
        </div>
    }
}

#[component]
fn Cards(list: Memo<Vec<Project>>, size: Size, actions: Actions) -> impl IntoView {
    let Actions { create, rename, delete, .. } = actions;
    let ids = Memo::new(move |_| list.with(|list| list.iter().map(|project| project.id.0).collect::<Vec<_>>()));
    // A post without script that was refused comes back with its form standing open.
    let standing = standing(untrack(|| create.refusal(|_| Some(()))).is_some());
    let cancel = view! { <Cancel dialog=NEW_DIALOG standing/> }.into_any();
    let delete_failed = Signal::derive(move || delete.refusal(|error| Some(error.problem.to_string())));
    view! {
        <div class="page-head">
            <h1 class="page-title">"Projects"</h1>
            <p class="page-count">{move || count(list.with(Vec::len), "project", "projects")}</p>
            <button class="button button-primary" type="button" popovertarget=NEW_DIALOG>"New project"</button>
        </div>
        <Notice message=delete_failed/>
        <ul class="cards">
            {view::list(ids.into(), move |id| match current(list, ProjectId(id)) {
                Some(project) => view! { <ProjectCard project rename delete/> }.into_any(),
                None => nothing(),
            })}
        </ul>
        <dialog id=NEW_DIALOG class="dialog dialog-wide" popover="auto" open=move || standing.get() aria-labelledby="new-project-title">
            <h2 id="new-project-title" class="dialog-title">"New project"</h2>
            <ProjectForm action=create size=size.get_untracked() cancel/>
        </dialog>
    }
}

/// The project as the list has it now; as it last was, for the moment in which its card is taken away.
fn current(list: Memo<Vec<Project>>, id: ProjectId) -> Option<Memo<Project>> {
    let find = move |list: &Vec<Project>| list.iter().find(|project| project.id == id).cloned();
    let first = list.with_untracked(find)?;
    Some(Memo::new(move |last: Option<&Project>| list.with(find).unwrap_or_else(|| last.unwrap_or(&first).clone())))
}
