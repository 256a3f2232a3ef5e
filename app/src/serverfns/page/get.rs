use crate::{error::AppError, page::Content};
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// What the page at a path shows, for a browser that makes the page itself.
#[server(prefix = "/fn", endpoint = "page/get", input = GetUrl)]
pub async fn get_page(
    /// `/`, `/projects/7`.
    path: String,
    /// The place that the projects follow.
    #[server(default)]
    after: Option<String>,
) -> Result<Content, AppError> {
    let services = crate::serverfns::services()?;
    Ok(Content::read(crate::page::Page::at(&path), after, services.as_ref()).await)
}
