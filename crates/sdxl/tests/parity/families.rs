//! Models over continuous noise levels (Playground 2.5, CosXL) and distilled models, against diffusers' pipelines with the
//! same tiny networks. `export_families.py` made the numbers.

use crate::fixture::{STAGE, Values, change_json, close, copy_folder, cpu, json, open, path, tensor_close};
use checkpoint::Checkpoint;
use diffusion::Unobserved;
use sdxl::{Generated, LoadOptions, Output, Params, Pipeline, PreviewDecoder};
use serde_json::Value;
use tempfile::TempDir;

/// The tolerance of the final latents, and of the picture decoded from them: as for SDXL's own pictures.
const LATENTS: f64 = 1e-3;
const IMAGE: f64 = 5e-3;

/// The tiny model with the scheduler and the VAE's statistics of one entry.
fn load(spec: &Value) -> (TempDir, Pipeline) {
    let keep = tempfile::tempdir().expect("a folder");
    let root = keep.path().join("model");
    copy_folder(&path("tiny/diffusers"), &root);
    change_json(&root.join("scheduler/scheduler_config.json"), |config| {
        *config = spec["config"].clone();
        config["_class_name"] = spec["scheduler"].clone();
    });
    change_json(&root.join("vae/config.json"), |config| {
        spec["vae"].as_object().expect("an object").iter().for_each(|(key, value)| config[key] = value.clone());
    });
    let checkpoint = Checkpoint::open(&root).expect("it opens");
    let pipeline = Pipeline::load(&checkpoint, &cpu(), LoadOptions::default()).expect("it loads");
    (keep, pipeline)
}

/// The parameters of one entry, with the sampler and the schedule that the checkpoint itself recommends.
fn params(root: &TempDir, notes: &Value, spec: &Value) -> Params {
    let checkpoint = Checkpoint::open(&root.path().join("model")).expect("it opens");
    let said = checkpoint.recommendation();
    Params {
        prompt: notes["prompt"].as_str().expect("a prompt").to_owned(),
        width: 64,
        height: 64,
        steps: spec["steps"].as_u64().expect("steps") as u32,
        cfg_scale: spec["cfg_scale"].as_f64().expect("a scale"),
        seed: spec["seed"].as_u64().expect("a seed"),
        sampler: said.sampler.as_ref().expect("said").value.parse().expect("known"),
        scheduler: said.schedule.as_ref().expect("said").value.parse().expect("known"),
        ..Params::default()
    }
}

fn generate(pipeline: &Pipeline, params: &Params) -> Output {
    match pipeline.generate(params, &mut Unobserved).expect("it generates") {
        Generated::Picture(output) => *output,
        ended => panic!("nobody stopped it: {ended:?}"),
    }
}

#[test]
fn each_familys_picture_is_that_of_diffusers() {
    let notes = json("reference/families.json");
    let pictures = notes["pictures"].as_object().expect("a table");
    assert_eq!(pictures.len(), 6);
    for (name, spec) in pictures {
        let values = Values::read(&format!("reference/family_{name}.safetensors"));
        let (root, pipeline) = load(spec);
        let params = params(&root, &notes, spec);
        let output = generate(&pipeline, &params);
        assert_eq!(output.conditioning.negative.is_some(), params.cfg_scale > 1.0, "{name}");
        close(&format!("{name} latents"), &output.latents.data, values.numbers("latents"), LATENTS);
        if values.has("image") {
            close(&format!("{name} image"), output.picture.pixels(), values.numbers("image"), IMAGE);
        }
    }
}

#[test]
fn playgrounds_pictures_are_encoded_with_its_statistics() {
    let spec = &json("reference/families.json")["pictures"]["playground"];
    let values = Values::read("reference/family_playground.safetensors");
    let (_root, pipeline) = load(spec);
    let device = &pipeline.compute().device;
    let posterior = pipeline.vae().encode(values.tensor("picture", device)).expect("it encodes");
    let latents = posterior.mean + posterior.std * values.tensor("posterior_noise", device);
    let scaled = pipeline.vae().scale(latents.clone());
    tensor_close("encoded", scaled.clone(), &values, "encoded", STAGE);
    let back = pipeline.vae().unscale(scaled).into_data().try_into_vec::<f32>().expect("f32");
    let latents = latents.into_data().try_into_vec::<f32>().expect("f32");
    let expected: Vec<f64> = latents.iter().map(|&number| number.into()).collect();
    close("encoded and back", &back, &expected, 1e-5);
}

/// Previews show the same picture as with SDXL's own scale of the latents.
#[test]
fn playgrounds_previews_undo_its_statistics() {
    let notes = json("reference/families.json");
    let values = Values::read("reference/family_playground.safetensors");
    let (_root, playground) = load(&notes["pictures"]["playground"]);
    let plain = Pipeline::load(&open("tiny/diffusers"), &cpu(), LoadOptions::default()).expect("it loads");
    let device = &plain.compute().device;
    let preview = |pipeline: &Pipeline, name: &str| {
        pipeline.preview(PreviewDecoder::Latent2Rgb, &values.tensor(name, device)).expect("a preview").pixels().to_vec()
    };
    let expected: Vec<f64> = preview(&plain, "in_sdxls_scale").iter().map(|&value| value.into()).collect();
    close("preview", &preview(&playground, "latents"), &expected, STAGE);
}
