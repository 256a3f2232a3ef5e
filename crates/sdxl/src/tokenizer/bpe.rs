//! CLIP's byte-pair encoding as a pipeline of the `tokenizers` library, with its vocabulary.

use crate::TokenizerError;
use std::collections::HashMap;
use tokenizers::{
    NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer,
    models::bpe::{BPE, Vocab},
    normalizers::{self, replace::ReplacePattern},
    pre_tokenizers::{self, split::SplitPattern},
};

pub(super) const START: &str = "<|startoftext|>";
pub(super) const END: &str = "<|endoftext|>";
/// 256 bytes, 256 bytes at the end of a word, 48,894 merges, two special tokens.
pub(crate) const VOCABULARY: usize = 49408;
const WORD_END: &str = "</w>";
/// The pattern of pieces that merges never cross: contractions, runs of letters, single digits, runs of other
/// characters.
const PIECES: &str = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
/// OpenAI CLIP's merges, MIT licence; see `assets/NOTICE.md`.
const MERGES: &str = include_str!("../../assets/merges.txt");

/// CLIP's own tokenizer. With a `vocabulary` smaller than CLIP's it has only the first merges.
pub(super) fn built_in(vocabulary: usize) -> Result<Tokenizer, TokenizerError> {
    let bytes = byte_characters();
    let merges = vocabulary.min(VOCABULARY).saturating_sub(2 * bytes.len() + 2);
    let merges: Vec<(String, String)> = pairs(MERGES).into_iter().take(merges).collect();
    let words = bytes.iter().map(char::to_string).chain(bytes.iter().map(|c| format!("{c}{WORD_END}")));
    let words = words.chain(merges.iter().map(|(a, b)| format!("{a}{b}")));
    let words = words.chain([START.to_owned(), END.to_owned()]);
    let table = words.zip(0..).collect();
    from_parts(table, merges)
}

/// The pairs of a merges.txt: one per line, separated by a space. The first line contains the version.
pub(super) fn pairs(merges: &str) -> Vec<(String, String)> {
    let pair = |line: &str| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.trim_end().to_owned()));
    merges.lines().filter(|line| !line.starts_with("#version")).filter_map(pair).collect()
}

/// The pipeline of transformers' `CLIPTokenizer` for a vocabulary, without added or special tokens.
pub(super) fn from_parts(
    table: HashMap<String, u32>,
    merges: Vec<(String, String)>,
) -> Result<Tokenizer, TokenizerError> {
    let model = BPE::builder()
        .vocab_and_merges(table.into_iter().collect::<Vocab>(), merges)
        .continuing_subword_prefix(String::new())
        .end_of_word_suffix(WORD_END.to_owned())
        .unk_token(END.to_owned())
        .build()?;
    let mut tokenizer = Tokenizer::new(model);
    let space = normalizers::Replace::new(ReplacePattern::Regex(r"\s+".into()), " ")?;
    let steps: Vec<NormalizerWrapper> =
        vec![normalizers::unicode::NFC.into(), space.into(), normalizers::utils::Lowercase.into()];
    tokenizer.with_normalizer(Some(normalizers::Sequence::new(steps)));
    let split =
        pre_tokenizers::split::Split::new(SplitPattern::Regex(PIECES.into()), SplitDelimiterBehavior::Removed, true)?;
    let bytes = pre_tokenizers::byte_level::ByteLevel::new(false, true, true);
    let steps: Vec<PreTokenizerWrapper> = vec![split.into(), bytes.into()];
    tokenizer.with_pre_tokenizer(Some(pre_tokenizers::sequence::Sequence::new(steps)));
    Ok(tokenizer)
}

/// The character that represents each byte, in the order of the vocabulary: first the printable bytes as themselves,
/// then the others as characters from U+0100 on (GPT-2's `bytes_to_unicode`).
fn byte_characters() -> Vec<char> {
    let printable = (b'!'..=b'~').chain(0xA1..=0xAC).chain(0xAE..=0xFF);
    let own: Vec<char> = printable.map(char::from).collect();
    let others = (0_u32..).map_while(|n| char::from_u32(0x100 + n)).take(256 - own.len());
    own.iter().copied().chain(others).collect()
}
