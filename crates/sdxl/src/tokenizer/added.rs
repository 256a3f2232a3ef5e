//! Added and special tokens, read from a folder as transformers 5's `CLIPTokenizer.from_pretrained` does.
//!
//! With `added_tokens_decoder` in tokenizer_config.json, only that file is used. Without it, special_tokens_map.json
//! overrides tokenizer_config.json, and the tokens of added_tokens.json and of tokenizer.json are added. Tokens are
//! added in the order of their ids. A token that is not in the vocabulary gets the next free id, whatever id its file
//! gives.

use super::{
    bpe::{END, START},
    read::{file_error, json},
};
use crate::TokenizerError;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};
use tokenizers::AddedToken;

/// Each added token needs an embedding; CLIP has 49,408 in total.
const MAX_TOKENS: usize = 1 << 16;
/// The longest placeholder seen in practice has 40 bytes.
const MAX_TOKEN_BYTES: usize = 1024;
/// transformers' named special tokens, in the order in which it adds them.
const NAMED: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// A token's text and flags as stored in files. Missing flags have transformers' defaults.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Token {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    /// Whether it is matched in the normalised (lower-case) text. By default only if it is not special.
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
}

/// An entry of tokenizer.json's `added_tokens`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Listed {
    id: u64,
    #[serde(flatten)]
    token: Token,
}

/// What a tokenizer's files contain besides the vocabulary.
#[derive(Debug)]
pub(super) struct Additions {
    /// In the order in which they are added.
    pub tokens: Vec<AddedToken>,
    /// The token that begins a text.
    pub start: String,
    /// The token that ends a text.
    pub end: String,
    /// The padding token; `None` if no file gives one.
    pub pad: Option<String>,
    /// Whether special tokens in a prompt are split like other text.
    pub split_special_tokens: bool,
}

impl Token {
    fn special(content: &str) -> Self {
        let content = content.to_owned();
        Self { content, single_word: false, lstrip: false, rstrip: false, normalized: None, special: true }
    }

    fn build(&self, special: bool) -> AddedToken {
        let token = AddedToken::from(self.content.as_str(), special).single_word(self.single_word);
        let token = token.lstrip(self.lstrip).rstrip(self.rstrip);
        match self.normalized {
            Some(normalized) => token.normalized(normalized),
            None => token,
        }
    }
}

/// Parses a value that may be a token: a string, or an object with `content`.
fn token(value: &Value) -> Option<Token> {
    match value {
        Value::String(content) => Some(Token::special(content)),
        Value::Object(_) => Token::deserialize(value).ok(),
        _ => None,
    }
}

impl Additions {
    /// CLIP's own two special tokens.
    pub(super) fn clip() -> Self {
        let tokens = [START, END].map(|token| AddedToken::from(token, true)).to_vec();
        Self { tokens, start: START.to_owned(), end: END.to_owned(), pad: None, split_special_tokens: false }
    }

    /// Reads the files in `folder`. `listed` contains tokenizer.json's `added_tokens`.
    pub(super) fn read(folder: &Path, listed: Vec<Listed>) -> Result<Self, TokenizerError> {
        const CONFIG: &str = "tokenizer_config.json";
        let object = |name: &str| -> Result<Option<Map<String, Value>>, TokenizerError> {
            let path = folder.join(name);
            if path.exists() { json(&path).map(Some) } else { Ok(None) }
        };
        let mut config = object(CONFIG)?.unwrap_or_default();
        let mut by_id: BTreeMap<u64, Token> = BTreeMap::new();
        if let Some(decoder) = config.get("added_tokens_decoder").filter(|value| !value.is_null()) {
            let bad = |e: serde_json::Error| file_error(&folder.join(CONFIG), format!("added_tokens_decoder: {e}"));
            by_id = BTreeMap::deserialize(decoder).map_err(bad)?;
        } else {
            config.extend(object("special_tokens_map.json")?.unwrap_or_default());
            // `additional_special_tokens` is not read here: transformers 5 uses only the new name.
            let listed_special = listed_tokens(&config, "extra_special_tokens");
            let special = NAMED.iter().filter_map(|key| config.get(*key).and_then(token)).chain(listed_special);
            let special: HashSet<String> = special.map(|token| token.content).collect();
            let path = folder.join("added_tokens.json");
            let added: BTreeMap<String, u64> = if path.exists() { json(&path)? } else { BTreeMap::new() };
            for (content, id) in added {
                let special = special.contains(&content);
                by_id.insert(id, Token { special, normalized: Some(!special), ..Token::special(&content) });
            }
            by_id.extend(listed.into_iter().map(|Listed { id, token }| (id, token)));
        }
        check(folder, by_id.values())?;
        let name = |key: &str| config.get(key).and_then(token).map(|token| token.content);
        Ok(Self {
            tokens: in_order(by_id.into_values().collect(), &config),
            start: name("bos_token").unwrap_or_else(|| START.to_owned()),
            end: name("eos_token").unwrap_or_else(|| END.to_owned()),
            pad: name("pad_token"),
            split_special_tokens: config.get("split_special_tokens").and_then(Value::as_bool).unwrap_or(false),
        })
    }
}

/// The named special tokens in transformers' order, with its defaults where the files give none; then those with other
/// names that end in `_token`.
fn named(config: &Map<String, Value>) -> Vec<Token> {
    let defaults = [START, END, END].map(Token::special);
    let value = |key: &str| config.get(key).and_then(token);
    let standard = NAMED.iter().enumerate().filter_map(|(i, key)| value(key).or_else(|| defaults.get(i).cloned()));
    let other = config.iter().filter(|(key, _)| key.ends_with("_token") && !NAMED.contains(&key.as_str()));
    let dictionary = config.get("extra_special_tokens").and_then(Value::as_object).into_iter().flatten();
    standard.chain(other.chain(dictionary).filter_map(|(_, value)| token(value))).collect()
}

/// The special tokens without a name.
fn extra(config: &Map<String, Value>) -> Vec<Token> {
    ["additional_special_tokens", "extra_special_tokens"].iter().flat_map(|key| listed_tokens(config, key)).collect()
}

/// The tokens of a list in tokenizer_config.json or special_tokens_map.json.
fn listed_tokens(config: &Map<String, Value>, key: &str) -> Vec<Token> {
    config.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(token).collect()
}

/// The tokens of the vocabulary files, then the special tokens that are not among them.
fn in_order(mut tokens: Vec<Token>, config: &Map<String, Value>) -> Vec<AddedToken> {
    let known: HashSet<String> = tokens.iter().map(|token| token.content.clone()).collect();
    let special: Vec<Token> = named(config).into_iter().chain(extra(config)).collect();
    for token in &special {
        if !known.contains(&token.content) && !tokens.contains(token) {
            tokens.push(token.clone());
        }
    }
    let special: HashSet<&str> = special.iter().map(|token| token.content.as_str()).collect();
    tokens.iter().map(|token| token.build(token.special || special.contains(token.content.as_str()))).collect()
}

fn check<'a>(folder: &Path, tokens: impl ExactSizeIterator<Item = &'a Token>) -> Result<(), TokenizerError> {
    if tokens.len() > MAX_TOKENS {
        return Err(file_error(folder, format!("{} added tokens; at most {MAX_TOKENS} are read", tokens.len())));
    }
    match tokens.map(|token| token.content.len()).max() {
        Some(bytes) if bytes > MAX_TOKEN_BYTES => {
            Err(file_error(folder, format!("an added token of {bytes} bytes; at most {MAX_TOKEN_BYTES} are read")))
        }
        _ => Ok(()),
    }
}
