//! The path that the whole server lies under, `/studio`, where a proxy serves other things beside it.
//!
//! It is set once, before anything is served or rendered, and is constant from then on, as the command line is: events,
//! answers, pages and the browser's half all make addresses, from inside the database's queries to a cookie.

use std::sync::OnceLock;

static BASE: OnceLock<&'static str> = OnceLock::new();

/// Sets the base path, `/studio`; empty for none. A second call changes nothing.
pub fn set_base_path(base: &'static str) {
    _ = BASE.set(base);
}

/// The base path without a slash at its end; empty where there is none.
pub fn base_path() -> &'static str {
    BASE.get().copied().unwrap_or_default()
}

/// The `Path` of a cookie that this server sets: the base path and everything under it.
pub fn cookie_path() -> &'static str {
    Some(base_path()).filter(|base| !base.is_empty()).unwrap_or("/")
}

/// The URL path of something on this server: `/projects/7` is at `/studio/projects/7`.
pub fn url_path(path: &str) -> String {
    [base_path(), path].concat()
}
