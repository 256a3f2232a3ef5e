//! The root component: chooses the page.

use crate::{
    live::Live,
    page::Content,
    pages::{BinPage, ProblemPage, ProjectsPage, library_page, studio_page},
    query,
    view::Erase,
    workers::WorkersPage,
};
use leptos::{prelude::*, server::SharedValue};

/// The root component. The server provides the [`Content`] in the context; for hydration it is serialized into the page.
#[component]
pub fn App() -> impl IntoView {
    query::provide_refusal();
    Live::provide();
    let page = match SharedValue::new(expect_context::<Content>).into_inner() {
        Content::Projects { list, size } => match list.open() {
            Ok(list) => view! { <ProjectsPage list size/> }.erase(),
            Err(error) => view! { <ProblemPage problem=error.problem/> }.erase(),
        },
        Content::Studio { studio, .. } => studio_page(studio),
        Content::Library(library) => library_page(library),
        Content::Workers(workers) => match workers.open() {
            Ok(workers) => view! { <WorkersPage workers/> }.erase(),
            Err(error) => view! { <ProblemPage problem=error.problem/> }.erase(),
        },
        Content::Bin(deleted) => match deleted.open() {
            Ok(deleted) => view! { <BinPage deleted/> }.erase(),
            Err(error) => view! { <ProblemPage problem=error.problem/> }.erase(),
        },
        Content::Problem(problem) => view! { <ProblemPage problem/> }.erase(),
    };
    view! {
        <a class="skip-link" href="#main">"Skip to content"</a>
        {page}
    }
}
