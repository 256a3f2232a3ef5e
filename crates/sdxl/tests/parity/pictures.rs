//! Whole pictures: 20 Euler steps over `leading` timesteps, against diffusers' pipelines.

use crate::fixture::{STAGE, Values, close, cpu, open, path};
use diffusion::{Observer, Prediction, Step, Stop};
use sdxl::{Finish, Generated, HostTensor, InitImage, LoadOptions, Output, Params, Picture, Pipeline};
use serde_json::Value;
use std::ops::ControlFlow;

/// The tolerance of the final latents.
const LATENTS: f64 = 1e-3;
/// The tolerance of the picture decoded from those latents.
const IMAGE: f64 = 5e-3;

fn notes() -> Value {
    let text = std::fs::read_to_string(path("reference/reference.json")).expect("the fixture");
    serde_json::from_str(&text).expect("JSON")
}

fn params(spec: &Value) -> Params {
    let number = |key: &str| spec[key].as_f64();
    Params {
        prompt: notes()["prompt"].as_str().expect("a prompt").to_owned(),
        negative_prompt: spec["negative_prompt"].as_str().unwrap_or_default().to_owned(),
        width: number("width").expect("a width") as u32,
        height: number("height").expect("a height") as u32,
        steps: 20,
        cfg_scale: number("cfg_scale").expect("a scale"),
        cfg_rescale: number("guidance_rescale").unwrap_or(0.0),
        seed: number("seed").expect("a seed") as u64,
        ..Params::default()
    }
}

fn generate(pipeline: &Pipeline, params: &Params, observer: &mut dyn Observer) -> Output {
    match pipeline.generate(params, observer).unwrap_or_else(|e| panic!("{e}")) {
        Generated::Picture(output) => *output,
        ended => panic!("nobody stopped it: {ended:?}"),
    }
}

fn load(model: &str) -> Pipeline {
    Pipeline::load(&open(model), &cpu(), LoadOptions::default()).unwrap_or_else(|e| panic!("{model}: {e}"))
}

#[track_caller]
fn check(stage: &str, found: &HostTensor, values: &Values, name: &str, tolerance: f64) {
    close(&format!("{stage} {name}"), &found.data, values.numbers(name), tolerance);
}

/// Compares everything that `--dump` writes, and the latents of each step through the estimate.
fn check_picture(stage: &str, pipeline: &Pipeline, params: &Params, values: &Values) -> Output {
    let mut calls = 0;
    let output = generate(pipeline, params, &mut |step: &Step<'_>| {
        assert_eq!(step.index, calls, "each step once");
        calls += 1;
        ControlFlow::<Stop>::Continue(())
    });
    assert_eq!(output.finish, Finish::Complete);
    assert_eq!(calls + 1, output.sigmas.len(), "the observer sees every step");
    assert_eq!(output.timings.steps_s.len(), calls);
    close(&format!("{stage} sigmas"), &output.sigmas, values.numbers("sigmas"), 1e-6);
    // PyTorch's vectorised logarithm and cosine are approximate: 2e-6 absolute.
    check(stage, &output.initial_noise, values, "initial_noise", 3e-6);
    let read = |x| HostTensor::read(x, "reading").expect("the CPU does not fail");
    let positive = &output.conditioning.positive;
    let prompt = HostTensor::read(positive.prompt.clone(), "reading").expect("the CPU does not fail");
    check(stage, &prompt, values, "prompt_embeds", STAGE);
    check(stage, &read(positive.pooled.clone()), values, "pooled_prompt_embeds", STAGE);
    check(stage, &output.latents, values, "latents", LATENTS);
    // Some references omit the picture to save space.
    if values.has("image") {
        close(&format!("{stage} image"), output.picture.pixels(), values.numbers("image"), IMAGE);
    }
    output
}

#[test]
fn text_to_image_is_that_of_diffusers() {
    for model in ["tiny", "odd"] {
        let pipeline = load(if model == "tiny" { "tiny/diffusers" } else { "odd/diffusers-fp16" });
        let notes = notes();
        let pictures = notes["pictures"][model].as_object().expect("a table");
        let plain = |spec: &&Value| spec.get("scheduler").is_none() && spec.get("strength").is_none();
        for (name, spec) in pictures.iter().filter(|(_, spec)| plain(spec)) {
            let values = Values::read(&format!("reference/{model}_picture_{name}.safetensors"));
            check_picture(&format!("{model} {name}"), &pipeline, &params(spec), &values);
        }
    }
}

#[test]
fn image_to_image_is_that_of_diffusers() {
    let spec = &notes()["pictures"]["tiny"]["img2img"];
    let values = Values::read("reference/tiny_picture_img2img.safetensors");
    let image = image::open(path("reference/init_image.png")).expect("the picture").to_rgb8();
    let strength = spec["strength"].as_f64().expect("a strength");
    let init_image = Some(InitImage { picture: Picture::from_rgb8(&image), strength });
    let params = Params { init_image, ..params(spec) };
    check_picture("tiny img2img", &load("tiny/diffusers"), &params, &values);
}

/// The tiny model with another scheduler: v-prediction, zero terminal SNR, rescaled guidance.
#[test]
fn v_prediction_with_zero_terminal_snr_is_that_of_diffusers() {
    let options =
        LoadOptions { prediction: Some(Prediction::V), zero_terminal_snr: Some(true), ..LoadOptions::default() };
    let pipeline = Pipeline::load(&open("tiny/diffusers"), &cpu(), options).expect("loads");
    let spec = &notes()["pictures"]["tiny"]["v_ztsnr"];
    let values = Values::read("reference/tiny_picture_v_ztsnr.safetensors");
    check_picture("tiny v_ztsnr", &pipeline, &params(spec), &values);
}

#[test]
fn the_checkpoint_s_scheduler_decides_what_is_predicted() {
    assert_eq!(load("tiny/diffusers").prediction(), Prediction::Epsilon);
    let odd = load("odd/diffusers-fp16");
    assert_eq!(odd.prediction(), Prediction::V);
    assert!(odd.table().max() > 4000.0, "zero terminal SNR: {}", odd.table().max());
}

#[test]
fn every_layout_makes_the_same_picture() {
    let spec = &notes()["pictures"]["tiny"]["cfg5"];
    let params = Params { steps: 3, ..params(spec) };
    let latents = |model| generate(&load(model), &params, &mut diffusion::Unobserved).latents.data;
    let expected = latents("tiny/diffusers");
    for model in ["tiny/diffusers-fp16", "tiny/single-f32.safetensors", "tiny/single-f16.safetensors"] {
        assert_eq!(latents(model), expected, "{model}");
    }
}

#[test]
fn one_pass_and_two_make_the_same_picture() {
    let spec = &notes()["pictures"]["tiny"]["cfg5"];
    let params = Params { steps: 4, ..params(spec) };
    let latents = |passes| {
        let options = LoadOptions { passes, ..LoadOptions::default() };
        let pipeline = Pipeline::load(&open("tiny/diffusers"), &cpu(), options).expect("loads");
        generate(&pipeline, &params, &mut diffusion::Unobserved).latents.data
    };
    let expected: Vec<f64> = latents(diffusion::Passes::One).iter().map(|&x| x.into()).collect();
    close("two passes", &latents(diffusion::Passes::Two), &expected, STAGE);
}

#[test]
fn an_observer_can_keep_or_cancel() {
    let pipeline = load("tiny/diffusers");
    let params = params(&notes()["pictures"]["tiny"]["cfg5"]);
    let mut estimate = Vec::new();
    let output = generate(&pipeline, &params, &mut |step: &Step<'_>| {
        estimate = HostTensor::read(step.denoised.clone(), "reading").expect("the CPU does not fail").data;
        if step.index == 4 { ControlFlow::Break(Stop::Keep) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(output.finish, Finish::Kept { step: 5 });
    assert_eq!(output.latents.data, estimate);
    let cancelled = pipeline.generate(&params, &mut |_: &Step<'_>| ControlFlow::Break(Stop::Cancel));
    assert!(matches!(cancelled, Ok(Generated::Cancelled { step: 1 })));
}

#[test]
fn the_encoders_can_go_before_the_picture_is_made() {
    let pipeline = load("tiny/diffusers");
    let params = Params { steps: 2, ..params(&notes()["pictures"]["tiny"]["cfg5"]) };
    let expected = generate(&pipeline, &params, &mut diffusion::Unobserved).latents;
    let conditioning = pipeline.encode(&params).expect("encodes");
    pipeline.drop_text_encoders();
    assert!(matches!(pipeline.encode(&params), Err(sdxl::Error::NoTextEncoders)));
    let generated = pipeline.generate_from(&params, conditioning, &mut diffusion::Unobserved);
    let Ok(Generated::Picture(output)) = generated else { panic!("{generated:?}") };
    assert_eq!(output.latents, expected);
}

#[test]
fn threads_share_one_pipeline() {
    let pipeline = load("tiny/diffusers");
    let params: Vec<Params> =
        (0..3).map(|seed| Params { seed, steps: 3, ..params(&notes()["pictures"]["tiny"]["cfg1"]) }).collect();
    let alone: Vec<HostTensor> =
        params.iter().map(|p| generate(&pipeline, p, &mut diffusion::Unobserved).latents).collect();
    let together: Vec<HostTensor> = std::thread::scope(|scope| {
        let run = |p| {
            let pipeline = &pipeline;
            scope.spawn(move || generate(pipeline, p, &mut diffusion::Unobserved).latents)
        };
        let threads: Vec<_> = params.iter().map(run).collect();
        threads.into_iter().map(|t| t.join().expect("no panic")).collect()
    });
    assert_eq!(together, alone);
}
