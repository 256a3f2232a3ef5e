//! Prompts.

mod count;

pub use count::{CountTokens, count_tokens};
