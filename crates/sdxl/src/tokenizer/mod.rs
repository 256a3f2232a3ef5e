//! CLIP's tokenizer: text to token ids, in chunks that a text encoder takes.

mod bpe;

use crate::{TokenizerError, prompt::Segment};
use bpe::{END, START};
use checkpoint::TokenizerFiles;
use serde_json::Value;
use std::{collections::HashMap, path::Path};

/// Which of SDXL's two text encoders a tokenizer serves. They differ in what they pad with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// The first: with the end token.
    End,
    /// The second: with `!` (id 0), which so is a special token: cut out of the text before anything else,
    /// so that `8k!!` ends in two zeros.
    Bang,
}

/// As many token ids as a text encoder takes, with start, end and padding, and each token's weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// `[length]`
    pub ids: Vec<u32>,
    /// `[length]`; 1 for start, end and padding.
    pub weights: Vec<f32>,
}

/// A tokenizer for one text encoder.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    start: u32,
    end: u32,
    pad: u32,
    length: usize,
    vocabulary: usize,
}

/// A tokenizer's file past this is none: CLIP's largest has 2.2 MB.
const MAX_FILE_BYTES: u64 = 64 << 20;

impl Tokenizer {
    /// The tokenizer that a checkpoint brings for an encoder with `vocabulary` embeddings and `length`
    /// positions, or CLIP's own.
    ///
    /// # Errors
    /// Files that cannot be read, or that lack CLIP's special tokens.
    pub fn load(
        files: &TokenizerFiles,
        padding: Padding,
        vocabulary: usize,
        length: usize,
    ) -> Result<Self, TokenizerError> {
        let (mut inner, folder) = match files {
            TokenizerFiles::BuiltIn => (bpe::built_in(vocabulary)?, None),
            TokenizerFiles::Json(path) => (tokenizers::Tokenizer::from_bytes(read(path)?)?, path.parent()),
            TokenizerFiles::VocabMerges { vocab, merges } => {
                let table: HashMap<String, u32> = serde_json::from_slice(&read(vocab)?)
                    .map_err(|e| TokenizerError::File { path: vocab.clone(), source: e.into() })?;
                let merges = String::from_utf8(read(merges)?)
                    .map_err(|e| TokenizerError::File { path: merges.clone(), source: e.into() })?;
                (bpe::from_parts(table, bpe::pairs(&merges))?, vocab.parent())
            }
        };
        let pad = folder.and_then(configured_pad).unwrap_or_else(|| match padding {
            Padding::End => END.to_owned(),
            Padding::Bang => "!".to_owned(),
        });
        bpe::add_special(&mut inner, &pad)?;
        let id = |token: &str| inner.token_to_id(token).ok_or_else(|| TokenizerError::NoToken(token.to_owned()));
        let (start, end, pad) = (id(START)?, id(END)?, id(&pad)?);
        Ok(Self { inner, start, end, pad, length, vocabulary })
    }

    /// CLIP's own tokenizer.
    ///
    /// # Errors
    /// None in practice: its table is built in.
    pub fn clip(padding: Padding) -> Result<Self, TokenizerError> {
        Self::load(&TokenizerFiles::BuiltIn, padding, bpe::VOCABULARY, 77)
    }

    /// Cuts a prompt into chunks: `length - 2` tokens each between start and end, the last one padded. Text
    /// without tokens gives one chunk.
    ///
    /// # Errors
    /// Token ids that the encoder has no embedding for.
    pub fn chunks(&self, segments: &[Segment]) -> Result<Vec<Chunk>, TokenizerError> {
        let mut tokens: Vec<(u32, f32)> = Vec::new();
        for Segment { text, weight } in segments {
            let encoding = self.inner.encode_fast(text.as_str(), false)?;
            tokens.extend(encoding.get_ids().iter().map(|&id| (id, *weight)));
        }
        let largest = tokens.iter().map(|t| t.0).chain([self.start, self.end, self.pad]).max().unwrap_or(0);
        if largest as usize >= self.vocabulary {
            return Err(TokenizerError::OutsideVocabulary { id: largest, size: self.vocabulary });
        }
        let room = self.length.saturating_sub(2).max(1);
        if tokens.is_empty() {
            return Ok(vec![self.chunk(&[])]);
        }
        Ok(tokens.chunks(room).map(|tokens| self.chunk(tokens)).collect())
    }

    /// How many of a chunk's tokens are text: neither start, nor end, nor padding.
    pub fn text_tokens(&self, chunk: &Chunk) -> usize {
        chunk.ids.iter().skip(1).take_while(|id| **id != self.end).count()
    }

    /// A chunk of padding alone, for the shorter of prompt and negative prompt.
    pub fn empty_chunk(&self) -> Chunk {
        self.chunk(&[])
    }

    fn chunk(&self, tokens: &[(u32, f32)]) -> Chunk {
        let (mut ids, mut weights): (Vec<u32>, Vec<f32>) =
            std::iter::once((self.start, 1.0)).chain(tokens.iter().copied()).chain([(self.end, 1.0)]).unzip();
        ids.resize(self.length, self.pad);
        weights.resize(self.length, 1.0);
        Chunk { ids, weights }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    let file =
        |source: Box<dyn std::error::Error + Send + Sync>| TokenizerError::File { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(|e| file(e.into()))?.len();
    if size > MAX_FILE_BYTES {
        return Err(file(format!("{size} bytes; a tokenizer has at most {MAX_FILE_BYTES}").into()));
    }
    std::fs::read(path).map_err(|e| file(e.into()))
}

/// The padding token that the files beside a tokenizer name, if they do.
fn configured_pad(folder: &Path) -> Option<String> {
    ["tokenizer_config.json", "special_tokens_map.json"].iter().find_map(|name| {
        let config: Value = serde_json::from_slice(&read(&folder.join(name)).ok()?).ok()?;
        let pad = config.get("pad_token")?;
        pad.as_str().or_else(|| pad.get("content")?.as_str()).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::{PromptSyntax, parse};

    fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<Vec<u32>> {
        let chunks = tokenizer.chunks(&parse(text, PromptSyntax::Plain)).expect("in the vocabulary");
        chunks.into_iter().map(|chunk| chunk.ids).collect()
    }

    #[test]
    fn the_two_encoders_pad_and_read_bangs_differently() {
        let (first, second) = (Tokenizer::clip(Padding::End), Tokenizer::clip(Padding::Bang));
        let (first, second) = (first.expect("built in"), second.expect("built in"));
        assert_eq!(ids(&first, "")[0][..3], [49406, 49407, 49407]);
        assert_eq!(ids(&second, "")[0][..3], [49406, 49407, 0]);
        // 748 is `!!</w>`.
        let last = |ids: &[u32]| ids[1..ids.iter().position(|&id| id == 49407).expect("an end")].to_vec();
        assert_eq!(last(&ids(&first, "8k!!")[0]).last(), Some(&748));
        assert!(last(&ids(&second, "8k!!")[0]).ends_with(&[0, 0]));
    }

    #[test]
    fn long_prompts_fill_chunks_of_75() {
        let tokenizer = Tokenizer::clip(Padding::End).expect("built in");
        for (words, chunks) in [(0, 1), (75, 1), (76, 2), (151, 3)] {
            let chunked = ids(&tokenizer, &"cat ".repeat(words));
            assert_eq!(chunked.len(), chunks, "{words} words");
            assert!(chunked.iter().all(|c| c.len() == 77 && c[0] == 49406 && c.contains(&49407)));
        }
        assert_eq!(ids(&tokenizer, &"cat ".repeat(75))[0][76], 49407);
    }

    #[test]
    fn the_tokens_of_the_text_are_counted_and_no_others() {
        for padding in [Padding::End, Padding::Bang] {
            let tokenizer = Tokenizer::clip(padding).expect("built in");
            for words in [0, 1, 75, 80] {
                let chunks = tokenizer.chunks(&parse(&"cat ".repeat(words), PromptSyntax::Plain)).expect("in it");
                let counts: Vec<usize> = chunks.iter().map(|chunk| tokenizer.text_tokens(chunk)).collect();
                assert_eq!(counts.iter().sum::<usize>(), words, "{counts:?}");
            }
        }
    }

    #[test]
    fn weights_go_with_their_tokens() {
        let tokenizer = Tokenizer::clip(Padding::End).expect("built in");
        let chunks = tokenizer.chunks(&parse("a (red:1.5) cat", PromptSyntax::A1111)).expect("in the vocabulary");
        assert_eq!(chunks[0].weights[..6], [1.0, 1.0, 1.5, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn a_smaller_vocabulary_is_clip_s_first_merges() {
        let tokenizer = Tokenizer::load(&TokenizerFiles::BuiltIn, Padding::End, 576, 77).expect("62 merges");
        let ids = ids(&tokenizer, "a cat in the rain");
        assert!(ids[0].iter().all(|&id| id < 576), "{ids:?}");
        assert_eq!(ids[0][0], 574);
    }
}
