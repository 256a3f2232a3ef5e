//! Prompt syntaxes.

use crate::names::named;

named! {
    /// Prompt syntax. Implemented in the crate `sdxl`.
    #[derive(Default)]
    PromptSyntax, "prompt syntax":
    /// A1111 syntax: `(word)`, `(word:1.2)` and `[word]` are emphasis, `BREAK` ends a chunk.
    #[default]
    A1111 = "a1111",
    /// Plain text without syntax.
    Plain = "plain",
}
