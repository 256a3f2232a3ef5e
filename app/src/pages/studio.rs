//! One project's studio. Its code is most of the front end's: where the bundle is split (`cargo xtask`), it is
//! a file of its own, and other pages do without.

use super::ProblemPage;
use crate::{packed::Packed, studio::Studio};
use leptos::prelude::*;

#[cfg_attr(
    feature = "split",
    leptos::wasm_split::wasm_split(studio, wasm_split_path = leptos::wasm_split, preload(fetch_studio))
)]
fn studio(studio: Packed<protocol::Studio>) -> AnyView {
    match studio.open() {
        Ok(studio) => view! { <Studio studio/> }.into_any(),
        Err(error) => view! { <ProblemPage problem=error.problem/> }.into_any(),
    }
}

/// The studio's page, once its code is there.
#[cfg(not(feature = "split"))]
pub fn studio_page(content: Packed<protocol::Studio>) -> AnyView {
    studio(content)
}

/// The studio's page. Its code is there since [`fetch`]: it is made at the first poll.
#[cfg(feature = "split")]
pub fn studio_page(content: Packed<protocol::Studio>) -> AnyView {
    futures::FutureExt::now_or_never(studio(content)).unwrap_or_else(|| ().into_any())
}

/// Waits until the code is there.
#[cfg(feature = "hydrate")]
pub async fn fetch() {
    #[cfg(feature = "split")]
    fetch_studio().await;
}
