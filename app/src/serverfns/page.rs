//! Whole pages.

use crate::{error::AppError, page::Content};
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// The content of the page at a path, for the client-side-rendered build.
#[server(prefix = "/fn", endpoint = "page/get", input = GetUrl)]
pub async fn get_page(
    /// `/`, `/projects/7`.
    path: String,
    /// The query of its address.
    #[server(default)]
    query: String,
) -> Result<Content, AppError> {
    let services = super::services()?;
    Ok(Content::read(crate::page::Page::at(&path), &query, services.as_ref()).await)
}
