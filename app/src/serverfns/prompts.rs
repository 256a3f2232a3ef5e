//! Prompts.

use crate::{error::AppError, packed::Packed};
use leptos::prelude::*;
use protocol::TokenCount;

/// The prompt's length in tokens of the text encoders, and warnings about the syntax of both prompts and about LoRA files
/// that the library has not.
#[server(prefix = "/fn", endpoint = "prompts/count")]
pub async fn count_tokens(
    /// The prompt as typed.
    #[server(default)]
    prompt: String,
    /// The negative prompt as typed.
    #[server(default)]
    negative_prompt: String,
) -> Result<Packed<TokenCount>, AppError> {
    let count = super::services()?.count_tokens(prompt, negative_prompt).await;
    super::answer(count.and_then(|count| Packed::new(&count)))
}
