//! Names in prompts that stand for vectors (textual inversion).

use super::Tokenizer;
use crate::TokenizerError;
use std::borrow::Cow;

/// A name in prompts that is replaced with vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// The name.
    pub name: &'a str,
    /// The number of its vectors, each of which takes a token's place.
    pub vectors: usize,
}

/// Where a name's vectors are in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The position of the first.
    pub at: usize,
    /// The index of the name.
    pub named: usize,
}

/// A name as tokens.
pub(super) struct Name<'a> {
    pub(super) index: usize,
    pub(super) vectors: usize,
    pub(super) ids: Vec<u32>,
    name: &'a str,
}

/// All names, those with the most tokens first.
pub(super) struct Names<'a>(Vec<Name<'a>>);

/// ComfyUI's prefix of a name.
const PREFIX: &str = "embedding:";

impl<'a> Names<'a> {
    pub(super) fn new(tokenizer: &Tokenizer, named: &[Named<'a>], room: usize) -> Result<Self, TokenizerError> {
        let mut names = Vec::with_capacity(named.len());
        for (index, &Named { name, vectors }) in named.iter().enumerate() {
            if vectors > room {
                return Err(TokenizerError::TooManyVectors { name: name.to_owned(), vectors, room });
            }
            let ids = tokenizer.ids(name)?;
            if !ids.is_empty() {
                names.push(Name { index, vectors, ids, name });
            }
        }
        names.sort_by_key(|name| std::cmp::Reverse(name.ids.len()));
        Ok(Self(names))
    }

    /// The longest name at the start of `ids`.
    pub(super) fn at_start(&self, ids: &[u32]) -> Option<&Name<'a>> {
        self.0.iter().find(|name| ids.starts_with(&name.ids))
    }

    /// The text with each `embedding:name` as `name`.
    pub(super) fn without_prefixes<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.0.is_empty() || !text.contains(PREFIX) {
            return Cow::Borrowed(text);
        }
        let mut parts = text.split(PREFIX);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let names_follow = |name: &Name<'_>| {
                part.get(..name.name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.name))
            };
            if !self.0.iter().any(names_follow) {
                out.push_str(PREFIX);
            }
            out.push_str(part);
        }
        Cow::Owned(out)
    }
}
