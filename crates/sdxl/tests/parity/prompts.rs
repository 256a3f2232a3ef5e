//! Prompts that change over the steps, and `AND`, against diffusers' networks with A1111's rules. The fixtures are made by
//! `tests/reference/export_prompts.py`.

use crate::fixture::{Values, close, cpu, deviation, json, open};
use diffusion::{Passes, Unobserved};
use sdxl::{Generated, LoadOptions, Output, Params, Pipeline, PromptSyntax};
use serde_json::Value;

const LATENTS: f64 = 1e-3;

fn params(notes: &Value, case: &Value) -> Params {
    let text = |key: &str| case[key].as_str().expect("a text").to_owned();
    let number = |key: &str| notes[key].as_u64().expect("a number") as u32;
    Params {
        prompt: text("prompt"),
        negative_prompt: text("negative"),
        cfg_scale: case["cfg_scale"].as_f64().expect("a scale"),
        sampler: case["sampler"].as_str().unwrap_or("euler").parse().expect("a sampler"),
        steps: number("steps"),
        width: number("side"),
        height: number("side"),
        seed: number("seed").into(),
        ..Params::default()
    }
}

fn generate(pipeline: &Pipeline, params: &Params) -> Output {
    match pipeline.generate(params, &mut Unobserved).unwrap_or_else(|e| panic!("{}: {e}", params.prompt)) {
        Generated::Picture(output) => *output,
        ended => panic!("nobody stopped it: {ended:?}"),
    }
}

#[test]
fn prompts_change_and_are_composed_as_in_a1111() {
    let (notes, values) = (json("reference/prompts.json"), Values::read("reference/prompts.safetensors"));
    for passes in [Passes::One, Passes::Two] {
        let options = LoadOptions { passes, ..LoadOptions::default() };
        let pipeline = Pipeline::load(&open("tiny/diffusers"), &cpu(), options).expect("loads");
        for (name, case) in notes["cases"].as_object().expect("a table") {
            let params = params(&notes, case);
            let output = generate(&pipeline, &params);
            close(&format!("{name}, {passes:?}"), &output.latents.data, values.numbers(name), LATENTS);
            assert_eq!(output.timings.steps_s.len(), params.steps as usize);
            // The same words without syntax make another picture.
            let plain = generate(&pipeline, &Params { prompt_syntax: PromptSyntax::Plain, ..params });
            assert!(deviation(&plain.latents.data, values.numbers(name)) > 10.0 * LATENTS, "{name}");
        }
    }
}

/// Syntax that leads to one text makes the picture of that text to the bit, and tags are no words.
#[test]
fn one_text_is_one_text_however_it_is_written() {
    let pipeline = Pipeline::load(&open("tiny/diffusers"), &cpu(), LoadOptions::default()).expect("loads");
    let latents = |prompt: &str, negative: &str| {
        let prompts = Params { prompt: prompt.to_owned(), negative_prompt: negative.to_owned(), ..Params::default() };
        generate(&pipeline, &Params { steps: 2, width: 64, height: 64, ..prompts }).latents.data
    };
    let expected = latents("a red fox", "the dog");
    for (prompt, negative) in [
        ("a [fox:red:0] fox", "the [dog:0]"),
        ("a red [fox::2]", "the [dog|dog]"),
        ("a red fox :1.0", "the dog"),
        ("<lora:x:0.5>a red<hypernet:y> fox", "[the:the:1] dog"),
    ] {
        assert_eq!(latents(prompt, negative), expected, "{prompt}");
    }
}
