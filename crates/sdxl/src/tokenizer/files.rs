//! The files of a checkpoint's tokenizer: tokenizer.json, or vocab.json with merges.txt.

use super::{
    added::Listed,
    bpe,
    read::{self, file_error, json},
};
use crate::TokenizerError;
use checkpoint::TokenizerFiles;
use serde::Deserialize;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// A tokenizer's vocabulary, and the added tokens listed in the same file.
pub(super) struct Table {
    pub inner: tokenizers::Tokenizer,
    /// The folder that may contain tokenizer_config.json, special_tokens_map.json and added_tokens.json.
    pub folder: Option<PathBuf>,
    /// tokenizer.json's `added_tokens`.
    pub listed: Vec<Listed>,
}

/// Reads the vocabulary. If the checkpoint has none, this is CLIP's own, cut to `vocabulary` tokens.
pub(super) fn table(files: &TokenizerFiles, vocabulary: usize) -> Result<Table, TokenizerError> {
    match files {
        TokenizerFiles::BuiltIn => Ok(Table { inner: bpe::built_in(vocabulary)?, folder: None, listed: Vec::new() }),
        TokenizerFiles::Additions(folder) => {
            Ok(Table { inner: bpe::built_in(vocabulary)?, folder: Some(folder.clone()), listed: Vec::new() })
        }
        TokenizerFiles::Json(path) => {
            // As in transformers 5's CLIPTokenizer, the pipeline is always CLIP's, whatever the file contains.
            // Truncation and padding settings left by a training script would cut long prompts.
            let TokenizerJson { model, added_tokens } = json(path)?;
            let merges = model.merges.into_iter().filter_map(Merge::pair).collect();
            Ok(Table { inner: bpe::from_parts(model.vocab, merges)?, folder: parent(path), listed: added_tokens })
        }
        TokenizerFiles::VocabMerges { vocab, merges } => {
            let table = json(vocab)?;
            let pairs = String::from_utf8(read::bytes(merges)?).map_err(|e| file_error(merges, e))?;
            let inner = bpe::from_parts(table, bpe::pairs(&pairs))?;
            Ok(Table { inner, folder: parent(vocab), listed: Vec::new() })
        }
    }
}

fn parent(path: &Path) -> Option<PathBuf> {
    path.parent().map(Path::to_owned)
}

#[derive(Deserialize)]
struct TokenizerJson {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<Listed>,
}

#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
}

/// `"a b"`, or since tokenizers 0.20 `["a", "b"]`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Line(String),
}

impl Merge {
    fn pair(self) -> Option<(String, String)> {
        match self {
            Self::Pair(a, b) => Some((a, b)),
            Self::Line(line) => line.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())),
        }
    }
}
