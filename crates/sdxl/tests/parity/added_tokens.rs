//! Added tokens in a folder, against transformers.

use crate::fixture::{json, path};
use checkpoint::TokenizerFiles;
use sdxl::{
    TokenizerError,
    prompt::{PromptSyntax, parse},
    tokenizer::{Padding, Tokenizer},
};
use serde_json::{Value, json};
use std::path::Path;

const ROWS: usize = 600;

/// Writes the folder described by `export_added_tokens.py`.
fn make_folder(target: &Path, case: &Value) -> TokenizerFiles {
    let write = |name: &str, content: &Value| std::fs::write(target.join(name), content.to_string()).expect("written");
    for (name, content) in case["files"].as_object().expect("files") {
        write(name, content);
    }
    if case["base"] == "vocab" {
        for name in ["vocab.json", "merges.txt"] {
            std::fs::copy(path("tiny/diffusers/tokenizer").join(name), target.join(name)).expect("copied");
        }
        return TokenizerFiles::VocabMerges { vocab: target.join("vocab.json"), merges: target.join("merges.txt") };
    }
    let mut table = json("tiny/diffusers-fp16/tokenizer/tokenizer.json");
    for (key, value) in case["patch"].as_object().expect("keys") {
        table[key] = value.clone();
    }
    write("tokenizer.json", &table);
    TokenizerFiles::Json(target.join("tokenizer.json"))
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Result<Vec<Vec<u32>>, TokenizerError> {
    Ok(tokenizer.chunks(&parse(text, PromptSyntax::Plain))?.into_iter().map(|chunk| chunk.ids).collect())
}

/// transformers' ids, split into chunks of 75, each with start and end, padded to 77.
fn chunked(ids: &[u32], pad: u32) -> Vec<Vec<u32>> {
    let inner = &ids[1..ids.len() - 1];
    let chunk = |ids: &[u32]| {
        let mut chunk = [&[574], ids, &[575]].concat();
        chunk.resize(77, pad);
        chunk
    };
    if inner.is_empty() { vec![chunk(&[])] } else { inner.chunks(75).map(chunk).collect() }
}

#[test]
fn added_tokens_give_the_ids_of_transformers() {
    let fixture = json("added_tokens.json");
    let texts: Vec<String> = serde_json::from_value(fixture["texts"].clone()).expect("texts");
    let cases = fixture["folders"].as_array().expect("folders");
    for case in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let files = make_folder(folder.path(), case);
        let tokenizer =
            Tokenizer::load(&files, Padding::End, ROWS, 77).unwrap_or_else(|e| panic!("{}: {e}", case["name"]));
        let pad = case["pad"].as_u64().expect("a pad") as u32;
        for (text, expected) in texts.iter().zip(case["ids"].as_array().expect("ids")) {
            let expected: Vec<u32> = serde_json::from_value(expected.clone()).expect("numbers");
            let found = ids(&tokenizer, text).expect("in the vocabulary");
            assert_eq!(found, chunked(&expected, pad), "{}: {text:?}", case["name"]);
        }
    }
    println!("added tokens: {} folders, {} texts each, equal", cases.len(), texts.len());
}

/// A token id without a row in the encoder's table is an error that names the id.
#[test]
fn an_added_token_needs_a_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let case = json!({"base": "vocab", "files": {"added_tokens.json": {"<cat-toy>": 576}}});
    let files = make_folder(folder.path(), &case);
    let tokenizer = Tokenizer::load(&files, Padding::End, 576, 77).expect("its own special tokens fit");
    assert!(ids(&tokenizer, "a cat").is_ok());
    let refused = ids(&tokenizer, "a <cat-toy>").expect_err("no row for it");
    assert!(matches!(refused, TokenizerError::OutsideVocabulary { id: 576, size: 576 }), "{refused}");
}

/// Files without a vocabulary of their own add their tokens to CLIP's.
#[test]
fn tokens_are_added_to_clip_s_own_table() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("added_tokens.json"), r#"{"<cat-toy>": 49408}"#).expect("written");
    let files = TokenizerFiles::Additions(folder.path().to_owned());
    let tokenizer = Tokenizer::load(&files, Padding::Bang, 49410, 77).expect("CLIP's own table");
    let found = ids(&tokenizer, "a <cat-toy>").expect("a row for it");
    assert_eq!(found[0][..5], [49406, 320, 49408, 49407, 0]);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    for (name, content) in [
        ("added_tokens.json", "[1, 2"),
        ("added_tokens.json", r#"{"<cat-toy>": "576"}"#),
        ("special_tokens_map.json", "[]"),
        ("tokenizer_config.json", r#"{"added_tokens_decoder": {"576": 5}}"#),
        ("tokenizer_config.json", r#"{"added_tokens_decoder": {"x": {"content": "a"}}}"#),
        ("tokenizer_config.json", "{"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let files = make_folder(folder.path(), &json!({"base": "vocab", "files": {}}));
        std::fs::write(folder.path().join(name), content).expect("written");
        let error = Tokenizer::load(&files, Padding::End, ROWS, 77).expect_err("unreadable").to_string();
        assert!(error.contains(name), "{content}: {error}");
    }
}
