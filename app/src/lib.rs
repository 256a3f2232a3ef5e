//! Emberline's pages, components and server functions.
//!
//! Compiled three times: `ssr` renders on the server, `hydrate` hydrates that page in the browser, `csr` renders in the
//! browser alone. Pages call the server by [`serverfns`], which call the trait `studio::Services`.

// A page is one deeply nested type; computing its layout exceeds the default limit.
#![recursion_limit = "256"]

mod act;
mod app;
mod browser;
mod buttons;
mod components;
pub mod drafts;
pub mod error;
pub mod format;
pub mod forms;
mod icons;
pub mod library;
pub mod live;
pub mod packed;
pub mod page;
mod pages;
mod query;
pub mod serverfns;
pub mod studio;
pub mod theme;
mod view;
mod workers;

#[cfg(feature = "ssr")]
mod shell;

pub use app::App;
#[cfg(feature = "ssr")]
pub use shell::{SignedIn, shell};

/// Hydrates the page that the server has rendered, once its code is loaded.
#[cfg(feature = "hydrate")]
pub fn hydrate() {
    log_panics();
    read_base_path();
    wasm_bindgen_futures::spawn_local(async {
        match page::Page::at(&path()) {
            page::Page::Studio(_) => pages::fetch_studio().await,
            page::Page::Library => pages::fetch_library().await,
            page::Page::Projects | page::Page::Workers | page::Page::Bin | page::Page::Nowhere => {}
        }
        leptos::mount::hydrate_body(App);
    });
}

/// Renders the page in the browser from the server's data.
#[cfg(all(feature = "csr", not(feature = "hydrate")))]
pub fn mount() {
    use leptos::context::provide_context;
    log_panics();
    wasm_bindgen_futures::spawn_local(async {
        let content = serverfns::page::get_page(path(), query::text()).await;
        let content = content.unwrap_or_else(|error| page::Content::Problem(error.problem));
        leptos::prelude::document().set_title(&content.title());
        leptos::mount::mount_to_body(move || {
            provide_context(content.clone());
            App()
        });
    });
}

/// The path of the page's address below the base path; `/` if the browser has none.
#[cfg(feature = "browser")]
fn path() -> String {
    let path = leptos::prelude::window().location().pathname().unwrap_or_default();
    path.strip_prefix(protocol::base_path()).filter(|path| !path.is_empty()).unwrap_or("/").to_owned()
}

/// Reads the base path from the page: `<html data-base="/studio">`.
#[cfg(feature = "hydrate")]
fn read_base_path() {
    if let Some(base) = theme::root().and_then(|html| html.dataset().get("base")) {
        let base: &'static str = base.leak();
        protocol::set_base_path(base);
        _ = leptos::server_fn::client::try_set_server_url(base);
    }
}

/// Logs panics to the browser's console, which would show only `unreachable`.
#[cfg(feature = "browser")]
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| leptos::logging::error!("{panic}")));
}
