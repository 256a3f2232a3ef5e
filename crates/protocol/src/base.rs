//! The base path of the whole server, for example `/studio`, if a proxy serves other things under the same host.
//!
//! It is set once, before anything is served or rendered, and constant afterwards, like the command line. It is global
//! because many places write addresses: events, responses, pages and the browser's code, from database queries to
//! cookies.

use std::sync::OnceLock;

static BASE: OnceLock<&'static str> = OnceLock::new();

/// Sets the base path, for example `/studio`; empty for none. Further calls have no effect.
pub fn set_base_path(base: &'static str) {
    _ = BASE.set(base);
}

/// The base path without a trailing slash; empty if there is none.
pub fn base_path() -> &'static str {
    BASE.get().copied().unwrap_or_default()
}

/// The `Path` of cookies set by this server: the base path and everything under it.
pub fn cookie_path() -> &'static str {
    Some(base_path()).filter(|base| !base.is_empty()).unwrap_or("/")
}

/// The URL path of a resource on this server: `/projects/7` becomes `/studio/projects/7`.
pub fn url_path(path: &str) -> String {
    [base_path(), path].concat()
}
