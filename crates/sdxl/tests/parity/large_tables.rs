//! Text encoders with more rows than CLIP's vocabulary: the position of the pooled embedding, against transformers.

use crate::fixture::{Raw, STAGE, change_json, close, copy_changed, copy_folder, cpu, json, path};
use checkpoint::Checkpoint;
use sdxl::{Precision, PromptSyntax, TextEncoder, TextEncoders, TokenizerError, load_part};
use serde_json::{Value, json};
use std::path::Path;

/// Appends rows to a token embedding until it has `rows`, as `export_added_tokens.py` does.
fn extend(tensor: &mut Raw, rows: usize) {
    let [known, width] = tensor.shape[..] else { panic!("{} is {:?}", tensor.name, tensor.shape) };
    for row in known..rows {
        for column in 0..width {
            let number = ((31 * row + 17 * column) % 257) as f32 / 64.0 - 2.0;
            tensor.data.extend(number.to_le_bytes());
        }
    }
    tensor.shape[0] = rows;
}

fn extend_all(tensors: &mut [Raw], rows: usize) {
    let tables = tensors.iter_mut().filter(|tensor| tensor.name.ends_with("token_embedding.weight"));
    tables.for_each(|tensor| extend(tensor, rows));
}

fn single_file(folder: &Path) -> Checkpoint {
    let file = folder.join("model.safetensors");
    copy_changed(&path("tiny/single-f32.safetensors"), &file, |tensors| extend_all(tensors, 49410));
    Checkpoint::open(&file).expect("opens")
}

/// The tiny folder with 578 rows, two added tokens, and the given `eos_token_id`.
fn folder(folder: &Path, eos: Value) -> Checkpoint {
    copy_folder(&path("tiny/diffusers"), folder);
    let added = json("large_tables.json")["added"].to_string();
    for (encoder, tokenizer) in [("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2")] {
        let file = folder.join(encoder).join("model.safetensors");
        copy_changed(&file.clone(), &file, |tensors| extend_all(tensors, 578));
        change_json(&folder.join(encoder).join("config.json"), |config| {
            config["vocab_size"] = json!(578);
            config["eos_token_id"] = eos.clone();
        });
        std::fs::write(folder.join(tokenizer).join("added_tokens.json"), &added).expect("written");
    }
    Checkpoint::open(folder).expect("opens")
}

fn load(checkpoint: &Checkpoint) -> Result<TextEncoders, sdxl::Error> {
    TextEncoders::load(checkpoint, &cpu(), Precision::F32, &mut |_, _, _| {})
}

#[track_caller]
fn pooled_as_transformers(checkpoint: &Checkpoint, cases: &Value) {
    let encoders = load(checkpoint).expect("loads");
    for case in cases.as_array().expect("cases") {
        let text = case["text"].as_str().expect("a text");
        let expected: Vec<f64> = serde_json::from_value(case["pooled"].clone()).expect("numbers");
        let encoded = encoders.encode(text, None, PromptSyntax::Plain).expect("encodes");
        let found = encoded.positive.pooled.into_data().try_into_vec::<f32>().expect("f32");
        close(&format!("pooled {text:?}"), &found, &expected, STAGE);
    }
}

/// With 49,410 rows, the end token was taken to be 49409, which no prompt contains, so every prompt was pooled at
/// position 0.
#[test]
fn a_single_file_with_more_rows_pools_at_the_end_of_the_text() {
    let dir = tempfile::tempdir().expect("a folder");
    let checkpoint = single_file(dir.path());
    for part in [checkpoint::Part::TextEncoder, checkpoint::Part::TextEncoder2] {
        let config = checkpoint.text_encoder(part).expect("its shape");
        assert_eq!((config.vocab_size, config.eos_token_id), (49410, 49407));
    }
    pooled_as_transformers(&checkpoint, &json("large_tables.json")["single"]);
}

#[test]
fn a_folder_with_added_tokens_pools_at_the_end_of_the_text() {
    for eos in [json!(2), json!(575), Value::Null] {
        let dir = tempfile::tempdir().expect("a folder");
        pooled_as_transformers(&folder(dir.path(), eos), &json("large_tables.json")["folder"]);
    }
}

/// transformers pools these at position 0, the start of the text, which is equal for every prompt.
#[test]
fn an_end_that_the_tokenizer_does_not_use_is_refused() {
    for eos in [577, 0] {
        let dir = tempfile::tempdir().expect("a folder");
        let error = load(&folder(dir.path(), json!(eos))).expect_err("another end").to_string();
        assert!(error.contains("text_encoder_2") && error.contains("eos_token_id"), "{error}");
        assert!(error.contains(&eos.to_string()) && error.contains("575"), "{error}");
    }
}

#[test]
fn token_ids_without_an_end_are_refused() {
    let checkpoint = Checkpoint::open(&path("tiny/diffusers")).expect("opens");
    let part = checkpoint::Part::TextEncoder2;
    let (config, compute) = (checkpoint.text_encoder(part).expect("its shape"), cpu());
    let build = |w: sdxl::Weights| TextEncoder::load(w, config);
    let (encoder, _) =
        load_part(&checkpoint, part, &compute.device, burn::tensor::DType::F32, &mut |_, _| {}, build).expect("loads");
    let refused = encoder.forward(&[vec![574, 320, 321]]).expect_err("no end");
    assert!(matches!(refused, TokenizerError::NoEnd { end: 575 }), "{refused}");
}
