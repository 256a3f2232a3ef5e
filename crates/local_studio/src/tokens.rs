//! Counts the tokens of a prompt.

use protocol::{Problem, TokenCount, generation::limits::PROMPT_CHARS};
use sdxl::{
    PromptSyntax, prompt,
    tokenizer::{Padding, Tokenizer},
};
use std::sync::LazyLock;

/// CLIP's tokenizer. A checkpoint may bring its own; every known SDXL checkpoint uses this one.
static TOKENIZER: LazyLock<Option<Tokenizer>> = LazyLock::new(|| Tokenizer::clip(Padding::End).ok());

/// Counts the tokens of `prompt`. The warnings are about both prompts. Fails if one exceeds [`PROMPT_CHARS`].
pub(crate) async fn count(prompt: String, negative_prompt: String) -> Result<TokenCount, Problem> {
    for (field, text) in [("prompt", &prompt), ("negative_prompt", &negative_prompt)] {
        if text.chars().count() > PROMPT_CHARS {
            return Err(Problem::invalid(field, format!("must be at most {PROMPT_CHARS} characters")));
        }
    }
    let counted = tokio::task::spawn_blocking(move || {
        let tokenizer = TOKENIZER.as_ref()?;
        let chunks = tokenizer.chunks(&prompt::parse(&prompt, PromptSyntax::A1111)).ok()?;
        let tokens: usize = chunks.iter().map(|chunk| tokenizer.text_tokens(chunk)).sum();
        Some(TokenCount {
            tokens: u32::try_from(tokens).ok()?,
            chunks: u32::try_from(chunks.len()).ok()?,
            warnings: protocol::prompt::warnings(&prompt, &negative_prompt),
        })
    });
    counted.await.ok().flatten().ok_or(Problem::Internal)
}
