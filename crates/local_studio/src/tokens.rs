//! Counts the tokens of a prompt.

use crate::WildcardFolder;
use ::library::{Entry, Shelf};
use checkpoint::{EmbeddingFile, LoraFile};
use prompt::template::{Random, Wildcards, expand};
use protocol::{
    FieldError, Problem, TokenCount,
    generation::limits::{PROMPT_CHARS, PROMPT_TEXTS},
};
use sdxl::{
    PromptSyntax,
    prompt::{Plan, parse},
    tokenizer::{Named, Padding, Tokenizer},
};
use std::sync::{Arc, LazyLock};

/// CLIP's tokenizer. A checkpoint may bring its own; every known SDXL checkpoint uses this one.
static TOKENIZER: LazyLock<Option<Tokenizer>> = LazyLock::new(|| Tokenizer::clip(Padding::End).ok());

/// Steps that a prompt is counted for: all texts of usual prompts occur in them.
const STEPS: usize = 30;

/// Counts the tokens of the longest text of `prompt`: of its parts between `AND`s, and over its steps. An embedding of `shelf`
/// counts as many tokens as it has vectors. The warnings are about both prompts. Fails if one exceeds [`PROMPT_CHARS`].
pub(crate) async fn count(
    prompt: String,
    negative_prompt: String,
    wildcards: Option<WildcardFolder>,
    shelf: Arc<Shelf>,
) -> Result<TokenCount, Problem> {
    for (field, text) in [("prompt", &prompt), ("negative_prompt", &negative_prompt)] {
        if text.chars().count() > PROMPT_CHARS {
            return Err(Problem::invalid(field, format!("must be at most {PROMPT_CHARS} characters")));
        }
    }
    let counted = tokio::task::spawn_blocking(move || {
        let tokenizer = TOKENIZER.as_ref()?;
        // Choices and wildcards as one seed expands them.
        let (prompt, negative_prompt, mut faults) = expanded(prompt, negative_prompt, wildcards.as_ref());
        let plan = Plan::of_prompt(&prompt, PromptSyntax::A1111, STEPS);
        let embeddings = embeddings(&shelf, &prompt);
        let named: Vec<_> = embeddings.iter().map(|(name, vectors)| Named { name, vectors: *vectors }).collect();
        let counts = plan.texts.iter().take(PROMPT_TEXTS).filter_map(|text| {
            let chunks = tokenizer.chunks_with(&parse(text, PromptSyntax::A1111), &named).ok()?;
            Some((chunks.iter().map(|chunk| tokenizer.text_tokens(chunk)).sum::<usize>(), chunks.len()))
        });
        let (tokens, chunks) = counts.max()?;
        Some(TokenCount {
            tokens: u32::try_from(tokens).ok()?,
            chunks: u32::try_from(chunks).ok()?,
            warnings: {
                let is_embedding = |name: &str| shelf.is_embedding(name);
                faults.extend(protocol::prompt::warnings(&prompt, &negative_prompt, &is_embedding));
                faults
            },
        })
    });
    counted.await.ok().flatten().ok_or(Problem::Internal)
}

/// Names and numbers of vectors of the embeddings in a prompt, from their files' headers. A file that was removed or broken
/// since the last scan counts as words.
fn embeddings(shelf: &Shelf, prompt: &str) -> Vec<(String, usize)> {
    let vectors = |entry: &Entry| EmbeddingFile::vectors_of(LoraFile::open(&entry.path).ok()?.tensors()).ok();
    shelf.embeddings_in(prompt).filter_map(|entry| Some((entry.stem(), vectors(entry)?))).collect()
}

/// Both prompts with one choice each, and what cannot be expanded, by field.
fn expanded(
    prompt: String,
    negative_prompt: String,
    wildcards: Option<&WildcardFolder>,
) -> (String, String, Vec<FieldError>) {
    let (mut random, mut faults) = (Random::new(0), Vec::new());
    let wildcards = wildcards.map(|folder| folder as &dyn Wildcards);
    let mut expand = |field, text: String| match expand(&text, &mut random, wildcards) {
        Ok(expanded) => expanded.into_owned(),
        Err(message) => {
            faults.push(FieldError::new(field, message));
            text
        }
    };
    (expand("prompt", prompt), expand("negative_prompt", negative_prompt), faults)
}
