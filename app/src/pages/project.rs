//! One project: its studio, or the page that says that there is none.

use super::problem::ProblemPage;
use crate::{error::AppError, serverfns::studio::get_studio, studio::Studio};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use protocol::{Problem, ProjectId};

/// The project of the address; an id that is no number is a page that is not there.
///
/// It is read once: from then on the studio lives by its events.
#[component]
pub fn ProjectPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|p| p.get_str("id")?.parse::<ProjectId>().ok()));
    let studio = Resource::new(
        move || id.get(),
        |id| async move {
            let found = match id {
                Some(id) => get_studio(id).await?.ok_or_else(|| format!("project {id}")),
                None => Err("page at this address".to_owned()),
            };
            found.map_err(|what| AppError::from(Problem::NotFound(what)))
        },
    );
    view! {
        <Transition fallback=|| view! { <main id="main" class="page" tabindex="-1" aria-busy="true"></main> }>
            {move || studio.get().map(|found| match found {
                Ok(studio) => match studio.open() {
                    Ok(studio) => view! { <Studio studio/> }.into_any(),
                    Err(error) => view! { <ProblemPage problem=error.problem/> }.into_any(),
                },
                Err(error) => view! { <ProblemPage problem=error.problem/> }.into_any(),
            })}
        </Transition>
    }
}
