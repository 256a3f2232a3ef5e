//! The page's frame, and which page stands in it.

use crate::{
    live::Live,
    page::Content,
    pages::{ProblemPage, ProjectsPage, studio_page},
    query,
};
use leptos::{prelude::*, server::SharedValue};

/// The whole page. Its [`Content`] is in the context where it is rendered first, and comes with the rendered
/// page where that is taken over.
#[component]
pub fn App() -> impl IntoView {
    query::provide_refusal();
    Live::provide();
    let page = match SharedValue::new(expect_context::<Content>).into_inner() {
        Content::Projects { list, size } => match list.open() {
            Ok(list) => view! { <ProjectsPage list size/> }.into_any(),
            Err(error) => view! { <ProblemPage problem=error.problem/> }.into_any(),
        },
        Content::Studio { studio, .. } => studio_page(studio),
        Content::Problem(problem) => view! { <ProblemPage problem/> }.into_any(),
    };
    view! {
        <a class="skip-link" href="#main">"Skip to content"</a>
        {page}
    }
}
