//! The library's page. When the bundle is split (`cargo xtask`), its code is a file of its own that other pages do not
//! load; what it shares with the studio is another file.

use super::ProblemPage;
use crate::{drafts::Library, library::LibraryPage, packed::Packed, view::Erase};
use leptos::prelude::*;

#[cfg_attr(
    feature = "split",
    leptos::wasm_split::wasm_split(library, wasm_split_path = leptos::wasm_split, preload(fetch_library))
)]
fn library(library: Packed<Library>) -> AnyView {
    match library.open() {
        Ok(library) => view! { <LibraryPage library/> }.erase(),
        Err(error) => view! { <ProblemPage problem=error.problem/> }.erase(),
    }
}

/// The library's page.
#[cfg(not(feature = "split"))]
pub fn library_page(content: Packed<Library>) -> AnyView {
    library(content)
}

/// The library's page. [`fetch`] has loaded its code, so that the first poll renders it.
#[cfg(feature = "split")]
pub fn library_page(content: Packed<Library>) -> AnyView {
    futures::FutureExt::now_or_never(library(content)).unwrap_or_else(|| ().into_any())
}

/// Waits until the library's code is loaded.
#[cfg(feature = "hydrate")]
pub async fn fetch() {
    #[cfg(feature = "split")]
    fetch_library().await;
}
