//! CLIP's tokenizer: converts text to chunks of token ids for a text encoder.

mod added;
mod bpe;
mod files;
mod named;
mod read;

use crate::{TokenizerError, prompt::Segment};
use added::Additions;
pub(crate) use bpe::VOCABULARY;
use checkpoint::TokenizerFiles;
use files::Table;
use named::Names;
pub use named::{Named, Place};
use tokenizers::AddedToken;

/// Which of SDXL's two text encoders a tokenizer is for. They use different padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// The first encoder: pads with the end token.
    End,
    /// The second encoder: pads with `!` (id 0). `!` is therefore a special token and is split off before anything
    /// else, so that `8k!!` ends in two zeros.
    Bang,
}

/// Token ids for one call of a text encoder, with start, end and padding, and the weight of each token.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// `[length]`
    pub ids: Vec<u32>,
    /// `[length]`; the weight is 1 for start, end and padding.
    pub weights: Vec<f32>,
    /// Where vectors replace the tokens' embeddings, in order.
    pub places: Vec<Place>,
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

impl Tokenizer {
    /// Loads a checkpoint's tokenizer, or CLIP's own, for an encoder with `vocabulary` embeddings and `length`
    /// positions.
    ///
    /// # Errors
    /// Files that cannot be read, or that lack CLIP's special tokens.
    pub fn load(
        files: &TokenizerFiles,
        padding: Padding,
        vocabulary: usize,
        length: usize,
    ) -> Result<Self, TokenizerError> {
        let Table { mut inner, folder, listed } = files::table(files, vocabulary)?;
        let Additions { mut tokens, start, end, pad, split_special_tokens } = match &folder {
            Some(folder) => Additions::read(folder, listed)?,
            None => Additions::clip(),
        };
        let pad = pad.unwrap_or_else(|| match padding {
            Padding::End => end.clone(),
            Padding::Bang => "!".to_owned(),
        });
        if !tokens.iter().any(|token| token.content == pad) {
            tokens.push(AddedToken::from(pad.as_str(), true));
        }
        inner.add_tokens(&tokens);
        inner.set_encode_special_tokens(split_special_tokens);
        let id = |token: &str| match inner.token_to_id(token) {
            // A special token that is not in the vocabulary gets a new id, which has no embedding.
            Some(id) if (id as usize) < vocabulary => Ok(id),
            _ => Err(TokenizerError::NoToken(token.to_owned())),
        };
        let (start, end, pad) = (id(&start)?, id(&end)?, id(&pad)?);
        Ok(Self { inner, start, end, pad, length, vocabulary })
    }

    /// CLIP's own tokenizer.
    ///
    /// # Errors
    /// None in practice: its vocabulary is built in.
    pub fn clip(padding: Padding) -> Result<Self, TokenizerError> {
        Self::load(&TokenizerFiles::BuiltIn, padding, VOCABULARY, 77)
    }

    /// Splits a prompt into chunks of `length - 2` tokens, each with start and end token; shorter ones are padded. A
    /// segment with `starts_chunk` ends the previous chunk even if it is not full. Text without tokens returns one
    /// chunk.
    ///
    /// # Errors
    /// Token ids that have no embedding in the encoder.
    pub fn chunks(&self, segments: &[Segment]) -> Result<Vec<Chunk>, TokenizerError> {
        self.chunks_with(segments, &[])
    }

    /// As [`Tokenizer::chunks`]; the tokens of each name are replaced with as many places as it has vectors. A name is
    /// found wherever its tokens are, the longest first, and also as `embedding:name`. Its places are in one chunk.
    /// Source: A1111's `find_embedding_at_position` and `tokenize_line` (`modules/textual_inversion`,
    /// `modules/sd_hijack_clip.py`).
    ///
    /// # Errors
    /// As [`Tokenizer::chunks`], or a name with more vectors than a chunk has places.
    pub fn chunks_with(&self, segments: &[Segment], named: &[Named<'_>]) -> Result<Vec<Chunk>, TokenizerError> {
        let room = self.length.saturating_sub(2).max(1);
        let names = Names::new(self, named, room)?;
        let (mut chunks, mut tokens, mut places) = (Vec::new(), Vec::with_capacity(room), Vec::new());
        for Segment { text, weight, starts_chunk } in segments {
            if *starts_chunk {
                chunks.push(self.chunk(&tokens, std::mem::take(&mut places)));
                tokens.clear();
            }
            let ids = self.ids(&names.without_prefixes(text))?;
            let mut rest = &ids[..];
            while let Some(&id) = rest.first() {
                let found = names.at_start(rest);
                let (taken, needed) = found.map_or((1, 1), |name| (name.ids.len(), name.vectors));
                if tokens.len() + needed > room {
                    chunks.push(self.chunk(&tokens, std::mem::take(&mut places)));
                    tokens.clear();
                }
                places.extend(found.map(|name| Place { at: tokens.len() + 1, named: name.index }));
                // The id under a vector is not used. It must not be the end token, at which the text is pooled.
                let id = if found.is_some() { self.start } else { id };
                tokens.extend(std::iter::repeat_n((id, *weight), needed));
                rest = &rest[taken..];
            }
        }
        if !tokens.is_empty() || chunks.is_empty() {
            chunks.push(self.chunk(&tokens, places));
        }
        Ok(chunks)
    }

    fn ids(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let ids = self.inner.encode_fast(text, false)?.get_ids().to_vec();
        match ids.iter().find(|&&id| id as usize >= self.vocabulary) {
            Some(&id) => Err(TokenizerError::OutsideVocabulary { id, size: self.vocabulary }),
            None => Ok(ids),
        }
    }

    /// How many of a chunk's tokens are text, that is, not start, end or padding.
    pub fn text_tokens(&self, chunk: &Chunk) -> usize {
        chunk.ids.iter().skip(1).take_while(|id| **id != self.end).count()
    }

    /// The token that ends the text of each chunk.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// A chunk that contains only padding, for the shorter of prompt and negative prompt.
    pub fn empty_chunk(&self) -> Chunk {
        self.chunk(&[], Vec::new())
    }

    fn chunk(&self, tokens: &[(u32, f32)], places: Vec<Place>) -> Chunk {
        let (mut ids, mut weights): (Vec<u32>, Vec<f32>) =
            std::iter::once((self.start, 1.0)).chain(tokens.iter().copied()).chain([(self.end, 1.0)]).unzip();
        ids.resize(self.length, self.pad);
        weights.resize(self.length, 1.0);
        Chunk { ids, weights, places }
    }
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

    /// `tokenize_line` of A1111's `modules/sd_hijack_clip.py`: a full chunk is closed when a further token does not
    /// fit.
    #[test]
    fn break_ends_a_chunk() {
        let tokenizer = Tokenizer::clip(Padding::End).expect("built in");
        let lengths = |prompt: &str| -> Vec<usize> {
            let chunks = tokenizer.chunks(&parse(prompt, PromptSyntax::A1111)).expect("in the vocabulary");
            assert!(chunks.iter().all(|chunk| chunk.ids.len() == 77 && chunk.ids[0] == 49406));
            chunks.iter().map(|chunk| tokenizer.text_tokens(chunk)).collect()
        };
        let cats = |n: usize| "cat ".repeat(n);
        for (prompt, expected) in [
            ("a cat BREAK a dog".to_owned(), vec![2, 2]),
            ("BREAK".to_owned(), vec![0]),
            ("a cat BREAK".to_owned(), vec![2]),
            ("BREAK a cat".to_owned(), vec![0, 2]),
            ("a BREAK BREAK b".to_owned(), vec![1, 0, 1]),
            (format!("{} BREAK {}", cats(75), cats(3)), vec![75, 3]),
            (format!("{} BREAK {}", cats(76), cats(3)), vec![75, 1, 3]),
            (format!("{} (BREAK {}:1.2)", cats(1), cats(80)), vec![1, 75, 5]),
            ("breakfast Break".to_owned(), vec![2]),
        ] {
            assert_eq!(lengths(&prompt), expected, "{prompt}");
        }
        let plain = tokenizer.chunks(&parse("a BREAK b", PromptSyntax::Plain)).expect("in the vocabulary");
        assert_eq!(plain.iter().map(|chunk| tokenizer.text_tokens(chunk)).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn names_of_embeddings_take_as_many_places_as_they_have_vectors() {
        let tokenizer = Tokenizer::clip(Padding::End).expect("built in");
        let named = |name, vectors| Named { name, vectors };
        let names = [named("my-style", 3), named("my", 1), named("cat", 2), named("Bad Hands", 70)];
        let chunks = |prompt: &str| {
            tokenizer.chunks_with(&parse(prompt, PromptSyntax::A1111), &names).expect("in the vocabulary")
        };
        let places = |prompt: &str| -> Vec<Vec<(usize, usize)>> {
            let places = |chunk: Chunk| chunk.places.into_iter().map(|place| (place.at, place.named)).collect();
            chunks(prompt).into_iter().map(places).collect()
        };
        assert_eq!(places("a my-style of my cat"), [[(2, 0), (6, 1), (7, 2)]]);
        assert_eq!(places("A MY-STYLE, category, embedding:cat x"), [[(2, 0), (8, 2)]]);
        assert!(places("the dog")[0].is_empty());
        // A group is never cut: it goes to the next chunk.
        assert_eq!(places(&format!("{}cat", "dog ".repeat(73))), [vec![(74, 2)]]);
        assert_eq!(places(&format!("{}cat dog", "dog ".repeat(74))), [vec![], vec![(1, 2)]]);
        assert_eq!(places("a cat (bad hands:1.5) my-style"), [vec![(2, 2), (4, 3)], vec![(1, 0)]]);
        let chunk = &chunks("a (my-style:1.5) x")[0];
        assert_eq!(chunk.weights[..7], [1.0, 1.0, 1.5, 1.5, 1.5, 1.0, 1.0]);
        assert_eq!(chunk.ids.iter().position(|&id| id == tokenizer.end()), Some(6));
        let long = tokenizer.chunks_with(&parse("x", PromptSyntax::Plain), &[named("x", 76)]);
        assert!(matches!(long, Err(TokenizerError::TooManyVectors { vectors: 76, room: 75, .. })));
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
