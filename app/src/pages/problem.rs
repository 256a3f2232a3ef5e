//! The error page.

use crate::{
    components::TopBar,
    error::{sentence, status},
    view::{Erase, home_link},
};
use leptos::prelude::*;
use protocol::Problem;

/// The error page, with the HTTP status of the problem.
#[component]
pub fn ProblemPage(
    /// The error.
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
            <p class="problem-code">{code.to_string()}</p>
            <h1 class="problem-title">{title}</h1>
            <p class="problem-text">{sentence(&problem.to_string())}</p>
            <p>{home_link("button", None, "All projects")}</p>
        </main>
    }
    .erase()
}
