//! Emberline's pages, components and server functions.
//!
//! Compiled three times: `ssr` renders on the server, `hydrate` takes over in the browser, `csr` renders
//! there from nothing. What a page asks of the server goes through a server function to [`services`].

// A page is one deeply nested type; its layout needs more than the default depth.
#![recursion_limit = "256"]

mod app;
mod browser;
mod components;
pub mod error;
pub mod form;
pub mod format;
pub mod live;
pub mod packed;
mod pages;
pub mod serverfns;
pub mod studio;
pub mod theme;
mod view;

#[cfg(feature = "ssr")]
pub mod services;
#[cfg(feature = "ssr")]
mod shell;

pub use app::App;
#[cfg(feature = "ssr")]
pub use shell::{page, shell};

/// Writes a panic to the browser's console; else it would only say `unreachable`.
#[cfg(feature = "browser")]
pub fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| leptos::logging::error!("{panic}")));
}
