//! The content of the panels that need script. Its code is in the file `on_demand`, which is loaded when it is needed for
//! the first time.

use super::{bin::Bin, export::Export, log::Log, settings, shortcuts};
use crate::{error::AppError, live::Live, studio::Store};
use leptos::prelude::*;

/// Whose content.
#[derive(Clone, Copy)]
pub enum Content {
    Bin(Store),
    Export(Store),
    Settings(Store),
    Log(Live),
    Shortcuts,
}

#[cfg_attr(
    feature = "split",
    leptos::wasm_split::wasm_split(on_demand, wasm_split_path = leptos::wasm_split, preload(fetch_content), fallible)
)]
fn panel_content(content: Content) -> Result<AnyView, AppError> {
    Ok(match content {
        Content::Bin(store) => Bin::new(store).content(),
        Content::Export(store) => Export::new(store).content(),
        Content::Settings(store) => settings::content(store),
        Content::Log(live) => Log::new(live).content(),
        Content::Shortcuts => shortcuts::content(),
    })
}

/// The content of a panel.
#[cfg(not(feature = "split"))]
pub fn content(content: Content) -> AnyView {
    panel_content(content).unwrap_or_else(|_| crate::view::nothing())
}

/// The content of a panel. [`fetch`] has loaded its code, so that the first poll renders it.
#[cfg(feature = "split")]
pub fn content(content: Content) -> AnyView {
    crate::studio::on_demand::now(panel_content(content))
}

/// Waits until the code is loaded. Fails if the server cannot be reached.
pub async fn fetch() -> Result<(), AppError> {
    #[cfg(feature = "split")]
    fetch_content().await?;
    Ok(())
}
