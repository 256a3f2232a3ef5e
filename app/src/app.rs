//! The page's frame and its routes.

use crate::{
    live::Live,
    pages::{NotFoundPage, ProjectPage, ProjectsPage},
};
use leptos::prelude::*;
use leptos_router::{
    SsrMode,
    components::{Route, Router, Routes},
    path,
};

/// The whole page. Rendered in one piece on the server (no streaming): a page without script is then
/// complete, and the status of a missing project is known before the first byte.
#[component]
pub fn App() -> impl IntoView {
    #[cfg(feature = "ssr")]
    leptos_meta::provide_meta_context();
    Live::provide();
    view! {
        <Router>
            // External: the router would scroll there but leave the focus behind.
            <a class="skip-link" href="#main" rel="external">"Skip to content"</a>
            <Routes fallback=NotFoundPage>
                <Route path=path!("/") view=ProjectsPage ssr=SsrMode::Async/>
                <Route path=path!("/projects/:id") view=ProjectPage ssr=SsrMode::Async/>
            </Routes>
        </Router>
    }
}
