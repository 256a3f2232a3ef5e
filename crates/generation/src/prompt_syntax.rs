//! How prompts are read.

use crate::names::named;

named! {
    /// How a prompt is read. The crate `sdxl` implements them.
    #[derive(Default)]
    PromptSyntax, "prompt syntax":
    /// A1111's: `(word)`, `(word:1.2)` and `[word]` are emphasis, `BREAK` ends a chunk.
    #[default]
    A1111 = "a1111",
    /// The text as it is.
    Plain = "plain",
}
