//! The studio's page. It is most of the front end's code. When the bundle is split (`cargo xtask`), its code is a file of
//! its own that other pages do not load.

use super::ProblemPage;
use crate::{packed::Packed, studio::Studio, view::Erase};
use leptos::prelude::*;

#[cfg_attr(
    feature = "split",
    leptos::wasm_split::wasm_split(studio, wasm_split_path = leptos::wasm_split, preload(fetch_studio))
)]
fn studio(studio: Packed<protocol::Studio>) -> AnyView {
    match studio.open() {
        Ok(studio) => view! { <Studio studio/> }.erase(),
        Err(error) => view! { <ProblemPage problem=error.problem/> }.erase(),
    }
}

/// The studio's page.
#[cfg(not(feature = "split"))]
pub fn studio_page(content: Packed<protocol::Studio>) -> AnyView {
    studio(content)
}

/// The studio's page. [`fetch`] has loaded its code, so that the first poll renders it.
#[cfg(feature = "split")]
pub fn studio_page(content: Packed<protocol::Studio>) -> AnyView {
    futures::FutureExt::now_or_never(studio(content)).unwrap_or_else(|| ().into_any())
}

/// Waits until the studio's code is loaded.
#[cfg(feature = "hydrate")]
pub async fn fetch() {
    #[cfg(feature = "split")]
    fetch_studio().await;
}
