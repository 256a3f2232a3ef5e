//! Token ids, against transformers.

use crate::fixture::path;
use sdxl::{
    prompt::{PromptSyntax, parse},
    tokenizer::{Padding, Tokenizer},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Tokens {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids_1: Vec<u32>,
    ids_2: Option<Vec<u32>>,
}

/// transformers' ids, split into chunks: 75 ids at a time, without the outer start and end.
fn chunked(ids: &[u32], pad: u32) -> Vec<Vec<u32>> {
    let inner = &ids[1..ids.len() - 1];
    let chunk = |ids: &[u32]| {
        let mut chunk = vec![49406];
        chunk.extend(ids);
        chunk.push(49407);
        chunk.resize(77, pad);
        chunk
    };
    if inner.is_empty() { vec![chunk(&[])] } else { inner.chunks(75).map(chunk).collect() }
}

#[test]
fn awkward_text_gives_the_ids_of_transformers() {
    let text = std::fs::read_to_string(path("tokens.json")).expect("the fixture");
    let tokens: Tokens = serde_json::from_str(&text).expect("its form");
    let tokenizers = [Padding::End, Padding::Bang].map(|padding| Tokenizer::clip(padding).expect("built in"));
    for Case { text, ids_1, ids_2 } in &tokens.cases {
        let segments = parse(text, PromptSyntax::Plain);
        let expected = [(ids_1, 49407), (ids_2.as_ref().unwrap_or(ids_1), 0)];
        for (tokenizer, (ids, pad)) in tokenizers.iter().zip(expected) {
            let chunks = tokenizer.chunks(&segments).expect("in the vocabulary");
            let found: Vec<Vec<u32>> = chunks.into_iter().map(|chunk| chunk.ids).collect();
            assert_eq!(found, chunked(ids, pad), "{text:?}, padded with {pad}");
        }
    }
    println!("token ids: {} texts equal for both encoders", tokens.cases.len());
}
