//! Styles.

use crate::{error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{Style, StyleId};

/// All styles that are not deleted, by name.
#[server(prefix = "/fn", endpoint = "styles/list", input = GetUrl)]
pub async fn list_styles() -> Result<Packed<Vec<Style>>, AppError> {
    let styles = super::services()?.list_styles().await;
    super::answer(styles.and_then(|styles| Packed::new(&styles)))
}

/// Creates a style.
#[server(prefix = "/fn", endpoint = "styles/create")]
pub async fn create_style(
    /// Its name as typed.
    #[server(default)]
    name: String,
    /// What it adds to the prompt.
    #[server(default)]
    prompt: String,
    /// What it adds to the negative prompt.
    #[server(default)]
    negative_prompt: String,
) -> Result<(), AppError> {
    let created = match (protocol::NewStyle { name, prompt, negative_prompt }).validated() {
        Ok(new) => super::services()?.create_style(new).await,
        Err(problem) => Err(problem),
    };
    super::answer(created.map(|_| ()))
}

/// Changes a style.
#[server(prefix = "/fn", endpoint = "styles/update")]
pub async fn update_style(
    /// Id of the style.
    id: StyleId,
    /// Its new name as typed.
    #[server(default)]
    name: String,
    /// What it adds to the prompt now.
    #[server(default)]
    prompt: String,
    /// What it adds to the negative prompt now.
    #[server(default)]
    negative_prompt: String,
) -> Result<(), AppError> {
    let patch = protocol::StylePatch { name: Some(name), prompt: Some(prompt), negative_prompt: Some(negative_prompt) };
    let updated = match patch.validated() {
        Ok(patch) => super::services()?.update_style(id, patch).await,
        Err(problem) => Err(problem),
    };
    super::answer(updated.map(|_| ()))
}

/// Soft-deletes a style. It can be restored for thirty days.
#[server(prefix = "/fn", endpoint = "styles/delete")]
pub async fn delete_style(
    /// Id of the style.
    id: StyleId,
) -> Result<(), AppError> {
    super::answer(super::services()?.delete_style(id).await.map(|_| ()))
}

/// Undoes a deletion.
#[server(prefix = "/fn", endpoint = "styles/restore")]
pub async fn restore_style(
    /// Id of the style.
    id: StyleId,
) -> Result<(), AppError> {
    super::answer(super::services()?.restore_style(id).await.map(|_| ()))
}
