use crate::{error::AppError, packed::Packed};
use leptos::prelude::*;
use protocol::TokenCount;

/// How long a prompt is to the text encoders, and what in both prompts is read as words.
#[server(prefix = "/fn", endpoint = "prompts/count")]
pub async fn count_tokens(
    /// The prompt as typed.
    #[server(default)]
    prompt: String,
    /// The negative prompt as typed.
    #[server(default)]
    negative_prompt: String,
) -> Result<Packed<TokenCount>, AppError> {
    let count = crate::serverfns::services()?.count_tokens(prompt, negative_prompt).await;
    crate::serverfns::answer(count.and_then(|count| Packed::new(&count)))
}
