//! What is shown in place of a page that cannot be shown.

use crate::{
    components::TopBar,
    error::{sentence, status},
    view::home_link,
};
use leptos::prelude::*;
use protocol::Problem;

/// A problem instead of a page, with the HTTP status that says the same.
#[component]
pub fn ProblemPage(
    /// Why there is nothing else to show.
    problem: Problem,
) -> impl IntoView {
    let code = status(&problem);
    #[cfg(feature = "ssr")]
    if let (Some(response), Ok(code)) =
        (use_context::<leptos_axum::ResponseOptions>(), http::StatusCode::from_u16(code))
    {
        response.set_status(code);
    }
    let title = if code == 404 { "Not found" } else { "Something is wrong" };
    view! {
        <TopBar/>
        <main id="main" class="page problem" tabindex="-1">
            <p class="problem-code">{code}</p>
            <h1 class="problem-title">{title}</h1>
            <p class="problem-text">{sentence(&problem.to_string())}</p>
            <p>{home_link("button", None, "All projects")}</p>
        </main>
    }
}
