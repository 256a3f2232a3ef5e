//! Both text encoders and their tokenizers, against transformers.

use crate::fixture::{MODELS, STAGE, Values, close, cpu, open, part, path, tensor_close};
use checkpoint::Part;
use sdxl::{
    Precision, PromptSyntax, TextEncoder, TextEncoders,
    prompt::parse,
    tokenizer::{Padding, Tokenizer},
};
use serde_json::Value;

fn prompts() -> Vec<String> {
    let text = std::fs::read_to_string(path("reference/reference.json")).expect("the fixture");
    let notes: Value = serde_json::from_str(&text).expect("JSON");
    serde_json::from_value(notes["prompts"].clone()).expect("a list of texts")
}

#[test]
fn encoders_give_transformers_states() {
    for (model, stages) in MODELS {
        let (checkpoint, values, compute) = (open(model), Values::read(stages), cpu());
        for (number, of) in [(1, Part::TextEncoder), (2, Part::TextEncoder2)] {
            let config = checkpoint.text_encoder(of).expect("its shape");
            let encoder = part(&checkpoint, of, &compute.device, |w| TextEncoder::load(w, config));
            let encoding = encoder.forward(&values.ids(&format!("text_{number}.ids"))).expect("each ends");
            let name = format!("text_{number}.penultimate");
            tensor_close(&format!("{model} {name}"), encoding.hidden, &values, &name, STAGE);
            if let Some(pooled) = encoding.pooled {
                tensor_close(&format!("{model} pooled"), pooled, &values, "text_2.pooled", STAGE);
            }
        }
    }
}

#[test]
fn a_checkpoint_s_own_tokenizers_are_read_in_both_forms() {
    let values = Values::read("reference/tiny_stages.safetensors");
    for model in ["tiny/diffusers", "tiny/diffusers-fp16", "tiny/single-f32.safetensors"] {
        let checkpoint = open(model);
        for (number, of, padding) in [(1, Part::TextEncoder, Padding::End), (2, Part::TextEncoder2, Padding::Bang)] {
            let vocabulary = checkpoint.text_encoder(of).expect("its shape").vocab_size;
            let tokenizer = Tokenizer::load(&checkpoint.tokenizer(of), padding, vocabulary, 77).expect("its files");
            let expected = values.ids(&format!("text_{number}.ids"));
            for (prompt, expected) in prompts().iter().zip(expected) {
                let chunks = tokenizer.chunks(&parse(prompt, PromptSyntax::Plain)).expect("in the vocabulary");
                assert_eq!(chunks[0].ids, expected, "{model} {number} {prompt:?}");
            }
        }
    }
}

#[test]
fn long_prompts_are_chunked_and_concatenated() {
    let (checkpoint, values) = (open("tiny/diffusers"), Values::read("reference/tiny_stages.safetensors"));
    let encoders = TextEncoders::load(&checkpoint, &cpu(), Precision::F32, &mut |_, _, _| {}).expect("loads");
    let prompt = prompts().pop().expect("the last is the long one");
    let encoded = encoders.encode(&prompt, Some("the dog"), PromptSyntax::A1111).expect("encodes");
    tensor_close("long prompt", encoded.positive.prompt, &values, "long.prompt_embeds", STAGE);
    tensor_close("long prompt, pooled", encoded.positive.pooled, &values, "long.pooled_prompt_embeds", STAGE);
    // The shorter negative prompt is padded with empty chunks.
    let negative = encoded.negative.expect("asked for");
    let [_, tokens, _] = values.shape::<3>("long.prompt_embeds");
    assert_eq!(negative.prompt.dims()[1], tokens);
}

/// A1111's rule, implemented again on the host: multiply, then restore the mean of the chunk.
#[test]
fn weights_multiply_and_the_mean_is_restored() {
    let checkpoint = open("tiny/diffusers");
    let encoders = TextEncoders::load(&checkpoint, &cpu(), Precision::F32, &mut |_, _, _| {}).expect("loads");
    let encode = |prompt: &str, syntax| {
        let encoded = encoders.encode(prompt, None, syntax).expect("encodes").positive;
        encoded.prompt.into_data().try_into_vec::<f32>().expect("f32")
    };
    let plain = encode("a red fox", PromptSyntax::Plain);
    let weighted = encode("a (red:1.5) fox", PromptSyntax::A1111);
    let tokenizer =
        Tokenizer::load(&checkpoint.tokenizer(Part::TextEncoder), Padding::End, 576, 77).expect("its files");
    let chunk = &tokenizer.chunks(&parse("a (red:1.5) fox", PromptSyntax::A1111)).expect("tokens")[0];
    // The first encoder has 16 of the 40 columns; each encoder has its own mean.
    let mut expected = vec![0.0; plain.len()];
    for columns in [0..16, 16..40] {
        let (mut before, mut after) = (0.0, 0.0);
        for (token, &weight) in chunk.weights.iter().enumerate() {
            for column in columns.clone() {
                let value = f64::from(plain[token * 40 + column]);
                before += value;
                after += value * f64::from(weight);
                expected[token * 40 + column] = value * f64::from(weight);
            }
        }
        for token in 0..77 {
            columns.clone().for_each(|column| expected[token * 40 + column] *= before / after);
        }
    }
    close("weighted prompt", &weighted, &expected, STAGE);
}
