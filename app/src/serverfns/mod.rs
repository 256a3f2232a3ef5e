//! The server functions: every read and every change that a page makes. Each takes the services from the context and
//! calls the method of the same name. One file per resource.

pub mod bin;
pub mod exports;
pub mod frames;
pub mod generations;
pub mod library;
pub mod models;
pub mod page;
pub mod projects;
pub mod prompts;
pub mod queue;
pub mod settings;
pub mod studio;
pub mod styles;
pub mod takes;
pub mod tasks;
pub mod theme;
pub mod workers;

#[cfg(feature = "ssr")]
mod reply {
    use crate::error::{AppError, status};
    use leptos::context::use_context;
    use protocol::Problem;
    use studio::SharedServices;

    /// The services, which the server puts into the context. Fails with [`Problem::Internal`] without them.
    pub fn services() -> Result<SharedServices, AppError> {
        use_context().ok_or_else(|| Problem::Internal.into())
    }

    /// Sets the HTTP status of a failed server function from its problem. Does not for a form that was posted without
    /// script: Leptos answers it with a redirect to the form's page, whose status 302 must stay.
    pub fn answer<T, E: Into<AppError>>(result: Result<T, E>) -> Result<T, AppError> {
        let error = match result {
            Ok(done) => return Ok(done),
            Err(error) => error.into(),
        };
        let wants_page = use_context::<http::request::Parts>().is_some_and(|request| {
            let accept = request.headers.get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
            accept.is_some_and(|accept| accept.contains("text/html"))
        });
        if !wants_page
            && let Some(response) = use_context::<leptos_axum::ResponseOptions>()
            && let Ok(status) = http::StatusCode::from_u16(status(&error.problem))
        {
            response.set_status(status);
        }
        Err(error)
    }
}
#[cfg(feature = "ssr")]
use reply::{answer, services};
