//! Embeddings (textual inversion) in both encoders, against diffusers' `load_textual_inversion`. The fixtures are made by
//! `tests/reference/export_inversions.py`.

use crate::fixture::{STAGE, Values, cpu, deviation, json, open, tensor_close};
use checkpoint::EmbeddingFile;
use sdxl::{
    Conditioning, Error, Inversion, LoadOptions, Params, Pipeline, Precision, PromptSyntax, TextEncoders, prompt::Plan,
};
use std::sync::Arc;

struct Files {
    values: Values,
    vectors: Vec<(String, [Vec<f32>; 2], usize)>,
}

impl Files {
    fn read() -> Self {
        let values = Values::read("reference/inversions.safetensors");
        let notes = json("reference/inversions.json");
        let names = notes["names"].as_object().expect("a table").iter();
        let vectors = names.map(|(name, len)| {
            let of = |part: &str| values.f32(&format!("{name}.{part}"));
            (name.clone(), [of("clip_l"), of("clip_g")], len.as_u64().expect("a number") as usize)
        });
        Self { vectors: vectors.collect(), values }
    }

    fn inversions(&self) -> Vec<Inversion<'_>> {
        self.vectors
            .iter()
            .map(|(name, [first, second], len)| Inversion { name, vectors: [first, second], len: *len })
            .collect()
    }
}

fn encoders() -> TextEncoders {
    TextEncoders::load(&open("tiny/diffusers"), &cpu(), Precision::F32, &mut |_, _, _| {}).expect("loads")
}

fn encode(encoders: &TextEncoders, prompt: &str, inversions: &[Inversion<'_>]) -> Result<Conditioning, Error> {
    encoders.encode_plans(&Plan::of_text(prompt), None, PromptSyntax::A1111, inversions)
}

#[test]
fn names_stand_for_their_vectors_in_both_encoders() {
    let (encoders, files, notes) = (encoders(), Files::read(), json("reference/inversions.json"));
    for (name, prompt) in notes["prompts"].as_object().expect("a table") {
        let prompt = prompt.as_str().expect("a text");
        let encoded = encode(&encoders, prompt, &files.inversions()).expect("encodes").positive;
        let key = format!("{name}.prompt_embeds");
        tensor_close(&key, encoded.prompt, &files.values, &key, STAGE);
        let key = format!("{name}.pooled_prompt_embeds");
        tensor_close(&key, encoded.pooled, &files.values, &key, STAGE);
        // Without the files the names are words.
        let words = encode(&encoders, prompt, &[]).expect("encodes").positive.prompt;
        let words = words.into_data().try_into_vec::<f32>().expect("f32");
        let differs = deviation(&words, files.values.numbers(&format!("{name}.prompt_embeds"))) > 0.1;
        assert_eq!(differs, name != "none", "{name}");
    }
}

/// The vectors of a file, through the pipeline, are those of the fixture.
#[test]
fn a_pipeline_takes_embedding_files() {
    let files = Files::read();
    let (name, vectors, len) = &files.vectors[1];
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (key, vectors) in ["clip_l", "clip_g"].into_iter().zip(vectors) {
        let start = data.len();
        data.extend(vectors.iter().flat_map(|value| value.to_le_bytes()));
        let shape = [*len, vectors.len() / len];
        let entry = serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]});
        header.insert(key.to_owned(), entry);
    }
    let header = serde_json::Value::Object(header).to_string();
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat();
    let path = std::path::PathBuf::from(format!("{name}.safetensors"));
    let file = EmbeddingFile::in_memory(path, Arc::new(bytes)).expect("an embedding");
    let pipeline = Pipeline::load(&open("tiny/diffusers"), &cpu(), LoadOptions::default()).expect("loads");
    let prompt = json("reference/inversions.json")["prompts"]["three"].as_str().expect("a text").to_owned();
    let params = Params { prompt, embeddings: vec![Arc::new(file)], width: 64, height: 64, ..Params::default() };
    let encoded = pipeline.encode(&params).expect("encodes").positive;
    tensor_close("three by a file", encoded.prompt, &files.values, "three.prompt_embeds", STAGE);
}

#[test]
fn vectors_of_another_width_are_refused() {
    let (encoders, files) = (encoders(), Files::read());
    let good = files.inversions()[0];
    let bad = Inversion { vectors: [good.vectors[1], good.vectors[0]], ..good };
    let error = encode(&encoders, "x", &[bad]).expect_err("another width").to_string();
    assert!(error.contains("fenn") && error.contains("24") && error.contains("16"), "{error}");
}
