//! The list of projects.

use crate::{
    components::{Cancel, ProjectCard, TopBar, UndoBar},
    format::count,
    forms::{FormAction, Notice, ProjectForm},
    live::Live,
    query,
    serverfns::projects::{CreateProject, DeleteProject, RestoreProject, UpdateProject, list_projects},
    view::{self, Erase, dynamic, nothing, words},
};
use leptos::{prelude::*, server_fn::ServerFn, task::spawn_local};
use protocol::{Project, ProjectId, project::SHOWN_PROJECTS, url_path};

const NEW_DIALOG: &str = "new-project";

/// The actions of the page's forms.
#[derive(Clone, Copy)]
struct Actions {
    create: FormAction,
    rename: FormAction,
    delete: FormAction,
    restore: FormAction,
}

/// The default model's recommended width and height, pixels.
type Size = Option<(u32, u32)>;

/// One page of the list of projects. The list is read again after each change made here and each event about a project.
#[component]
pub fn ProjectsPage(
    /// The projects that the page was rendered with.
    list: Vec<Project>,
    /// The initial size of a new project.
    size: Size,
) -> impl IntoView {
    let live = Live::expect();
    let actions = Actions {
        create: FormAction::new(CreateProject::PATH),
        rename: FormAction::new(UpdateProject::PATH),
        delete: FormAction::new(DeleteProject::PATH),
        restore: FormAction::new(RestoreProject::PATH),
    };
    let list = RwSignal::new(list);
    let failed = RwSignal::new(None);
    Effect::new(move |before: Option<u32>| {
        let Actions { rename, delete, restore, .. } = actions;
        let changes = [live.projects_changed, rename.version, delete.version, restore.version];
        let newest = changes.iter().fold(0_u32, |sum, changes| sum.wrapping_add(changes.get()));
        if before.is_some() {
            // Responses may arrive out of order: only that of the newest request is shown.
            let is_newest = move || {
                changes.iter().try_fold(0_u32, |sum, n| Some(sum.wrapping_add(n.try_get_untracked()?))) == Some(newest)
            };
            spawn_local(async move {
                let read = list_projects(query::value("after")).await.and_then(|projects| projects.open());
                if is_newest() {
                    match read {
                        Ok(projects) => {
                            failed.set(None);
                            list.set(projects);
                        }
                        Err(error) => failed.set(Some(error.problem.to_string())),
                    }
                }
            });
        }
        newest
    });
    let is_part = query::value("after").is_some();
    let is_empty = Memo::new(move |_| !is_part && list.with(Vec::is_empty));
    let posted: Option<ProjectId> = query::value("deleted").and_then(|id| id.parse().ok());
    let deleted = Memo::new(move |_| {
        let here = actions.delete.outcome.with(|outcome| outcome.as_ref()?.as_ref().ok().map(|project| project.id));
        let id = here.or(posted)?;
        list.with(|list| list.iter().all(|project| project.id != id)).then_some(id)
    });
    view! {
        <TopBar/>
        <main id="main" class="page" tabindex="-1">
            <Notice message=failed/>
            {dynamic(move || if is_empty.get() {
                view! { <Welcome size actions/> }.erase()
            } else {
                view! { <Cards list is_part size actions/> }.erase()
            })}
            <nav class="parts"><a class="button button-small" href=url_path("/bin")>"Bin"</a></nav>
            {dynamic(move || match deleted.get() {
                Some(id) => view! { <UndoBar id deleted=actions.delete action=actions.restore/> }.erase(),
                None => nothing(),
            })}
        </main>
    }
    .erase()
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
                <ProjectForm action=actions.create size=size/>
            </section>
        </div>
    }
    .erase()
}

#[component]
fn Cards(list: RwSignal<Vec<Project>>, is_part: bool, size: Size, actions: Actions) -> impl IntoView {
    let Actions { create, rename, delete, .. } = actions;
    let ids = Memo::new(move |_| {
        list.with(|list| list.iter().take(SHOWN_PROJECTS).map(|project| project.id.0).collect::<Vec<_>>())
    });
    // The place of the last shown project, if there are more.
    let last = Memo::new(move |_| {
        list.with(|list| list.get(SHOWN_PROJECTS).and_then(|_| list.get(SHOWN_PROJECTS - 1)).map(Project::place))
    });
    // After a rejected post without script the dialog is rendered open.
    let open = untrack(|| create.rejection(|_| Some(()))).is_some();
    let cancel = view! { <Cancel dialog=NEW_DIALOG open/> }.erase();
    let counted = words(move || match last.with(Option::is_some) || is_part {
        true => format!("{} of many projects", ids.with(Vec::len)),
        false => count(list.with(Vec::len), "project", "projects"),
    });
    let delete_failed = Signal::derive(move || delete.rejection(|error| Some(error.problem.to_string())));
    view! {
        <div class="page-head">
            <h1 class="page-title">"Projects"</h1>
            <p class="page-count">{counted}</p>
            <button class="button button-primary" type="button" popovertarget=NEW_DIALOG>"New project"</button>
        </div>
        <Notice message=delete_failed/>
        <ul class="cards">
            {view::list(ids.into(), move |id| match current(list, ProjectId(id)) {
                Some(project) => view! { <ProjectCard project rename delete/> }.erase(),
                None => nothing(),
            })}
        </ul>
        {dynamic(move || match (is_part, last.get()) {
            (false, None) => nothing(),
            (_, last) => view! { <Parts is_part last/> }.erase(),
        })}
        <dialog id=NEW_DIALOG class="dialog dialog-wide" popover="auto" open=open aria-labelledby="new-project-title">
            <h2 id="new-project-title" class="dialog-title">"New project"</h2>
            <ProjectForm action=create size=size cancel/>
        </dialog>
    }
    .erase()
}

/// Links to the other pages of the list.
#[component]
fn Parts(is_part: bool, last: Option<String>) -> impl IntoView {
    view! {
        <nav class="parts" aria-label="More projects">
            {if is_part { view! { <a class="button" href="?">"Newest projects"</a> }.erase() } else { nothing() }}
            {match last {
                Some(place) => view! { <a class="button" href=format!("?after={place}")>"Show more"</a> }.erase(),
                None => nothing(),
            }}
        </nav>
    }
    .erase()
}

/// The project in the list. It keeps its last value until its card is removed.
fn current(list: RwSignal<Vec<Project>>, id: ProjectId) -> Option<Memo<Project>> {
    let find = move |list: &Vec<Project>| list.iter().find(|project| project.id == id).cloned();
    let first = list.with_untracked(find)?;
    Some(Memo::new(move |last: Option<&Project>| list.with(find).unwrap_or_else(|| last.unwrap_or(&first).clone())))
}
