//! LoRA files: eight Euler steps with each, against diffusers, peft and LyCORIS (`reference/export_lora.py`).

use crate::fixture::{Values, close, cpu, deviation, json, open, path};
use checkpoint::{Checkpoint, LoraFile};
use diffusion::Unobserved;
use sdxl::{Generated, LoadOptions, LoraUse, Networks, Params, Pipeline};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Arc, Barrier},
    thread,
};

/// The tolerance of the latents. Found: up to 3e-5.
const LATENTS: f64 = 1e-3;
/// Without the file the latents are at least this far away.
const FAR: f64 = 0.05;

struct Reference {
    notes: Value,
    latents: Values,
}

impl Reference {
    fn read() -> Self {
        Self { notes: json("lora/reference.json"), latents: Values::read("lora/latents.safetensors") }
    }

    fn params(&self) -> Params {
        let settings = &self.notes["settings"];
        let number = |key: &str| settings[key].as_f64().expect("a number");
        Params {
            prompt: settings["prompt"].as_str().expect("a prompt").to_owned(),
            negative_prompt: settings["negative_prompt"].as_str().expect("a prompt").to_owned(),
            width: number("width") as u32,
            height: number("height") as u32,
            steps: number("num_inference_steps") as u32,
            cfg_scale: number("guidance_scale"),
            seed: self.notes["seed"].as_u64().expect("a seed"),
            ..Params::default()
        }
    }

    /// The layouts in which a file is stored.
    fn layouts(&self, name: &str) -> Vec<String> {
        self.notes["files"][name].as_object().expect("a table").keys().cloned().collect()
    }

    fn file(&self, name: &str, layout: &str) -> Arc<LoraFile> {
        let file = self.notes["files"][name][layout].as_str().expect("a name");
        Arc::new(LoraFile::open(&path("lora").join(file)).unwrap_or_else(|e| panic!("{file}: {e}")))
    }

    /// The files of a picture with their weights: the first layout of each, or `layout` where a file has it.
    fn uses(&self, picture: &str, layout: &str) -> Vec<LoraUse> {
        let uses = self.notes["pictures"][picture].as_array().expect("a list");
        let one = |of: &Value| {
            let (name, layouts) = (of[0].as_str().expect("a name"), self.layouts(of[0].as_str().expect("a name")));
            let layout = layouts.iter().find(|own| *own == layout).unwrap_or(&layouts[0]);
            let weight = |at: usize| of[at].as_f64().expect("a weight");
            LoraUse { file: self.file(name, layout), unet_weight: weight(1), text_weight: weight(2) }
        };
        uses.iter().map(one).collect()
    }

    fn pictures(&self) -> Vec<String> {
        self.notes["pictures"].as_object().expect("a table").keys().cloned().collect()
    }
}

fn load(model: &str) -> Pipeline {
    Pipeline::load(&open(model), &cpu(), LoadOptions::default()).unwrap_or_else(|e| panic!("{model}: {e}"))
}

fn networks(pipeline: &Pipeline, uses: &[LoraUse]) -> Arc<Networks> {
    pipeline.networks(uses).unwrap_or_else(|e| panic!("{e}"))
}

fn latents(pipeline: &Pipeline, networks: &Networks, params: &Params) -> Vec<f32> {
    match pipeline.generate_with(networks, params, &mut Unobserved).unwrap_or_else(|e| panic!("{e}")) {
        Generated::Picture(output) => output.latents.data,
        ended => panic!("nobody stopped it: {ended:?}"),
    }
}

#[test]
fn every_kind_and_weight_gives_the_reference_s_latents() {
    let reference = Reference::read();
    let (pipeline, params) = (load("tiny/diffusers"), reference.params());
    let base = latents(&pipeline, &networks(&pipeline, &[]), &params);
    close("without", &base, reference.latents.numbers("none"), LATENTS);
    for picture in reference.pictures() {
        let uses = reference.uses(&picture, "");
        let found = latents(&pipeline, &networks(&pipeline, &uses), &params);
        let expected = reference.latents.numbers(&picture);
        close(&picture, &found, expected, LATENTS);
        // If the files were left out, this would be the base's picture, which is far from the reference.
        if uses.iter().any(|of| of.unet_weight != 0.0 || of.text_weight != 0.0) {
            let without = deviation(&base, expected);
            assert!(without > FAR, "{picture}: {without} without the files");
        }
    }
}

#[test]
fn every_layout_of_a_file_gives_the_same_latents() {
    let reference = Reference::read();
    let (pipeline, params) = (load("tiny/diffusers"), reference.params());
    for layout in reference.layouts("some") {
        let uses = reference.uses("some 0.7", &layout);
        let found = latents(&pipeline, &networks(&pipeline, &uses), &params);
        close(&layout, &found, reference.latents.numbers("some 0.7"), LATENTS);
    }
}

/// The numbers of this file are in f16; so few of them in a layer are kept in f32.
#[test]
fn a_single_file_in_f16_gives_the_same_latents() {
    let reference = Reference::read();
    let (pipeline, params) = (load("tiny/single-f16.safetensors"), reference.params());
    for picture in ["plain 0.7", "two plain", "lokr 0.7", "full 1.0"] {
        let found = latents(&pipeline, &networks(&pipeline, &reference.uses(picture, "")), &params);
        close(picture, &found, reference.latents.numbers(picture), LATENTS);
    }
}

#[test]
fn a_set_does_not_change_the_base() {
    let reference = Reference::read();
    let (pipeline, params) = (load("tiny/diffusers"), reference.params());
    let base = |pipeline: &Pipeline| latents(pipeline, &networks(pipeline, &[]), &params);
    let before = base(&pipeline);
    for picture in ["three kinds", "lokr 1.0", "plain 1.0"] {
        latents(&pipeline, &networks(&pipeline, &reference.uses(picture, "")), &params);
    }
    assert_eq!(base(&pipeline), before);
}

#[test]
fn threads_with_different_sets_give_the_pictures_of_single_runs() {
    let reference = Reference::read();
    let (pipeline, params) = (load("tiny/diffusers"), reference.params());
    let pictures = ["none", "plain 1.0", "three kinds", "dora_input 0.7"];
    let one = |picture: &str| latents(&pipeline, &networks(&pipeline, &reference.uses(picture, "")), &params);
    let single: HashMap<&str, Vec<f32>> = pictures.into_iter().map(|picture| (picture, one(picture))).collect();
    // Another pipeline, so that the sets are made by the threads too.
    let (fresh, start) = (load("tiny/diffusers"), Barrier::new(pictures.len()));
    let together: HashMap<&str, Vec<f32>> = thread::scope(|scope| {
        let threads = pictures.map(|picture| {
            let (fresh, start, reference, params) = (&fresh, &start, &reference, &params);
            scope.spawn(move || {
                start.wait();
                (picture, latents(fresh, &networks(fresh, &reference.uses(picture, "")), params))
            })
        });
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    for picture in pictures {
        assert_eq!(together[picture], single[picture], "{picture}");
    }
}

#[test]
fn a_set_is_made_once_and_does_not_depend_on_the_order() {
    let reference = Reference::read();
    let pipeline = load("tiny/diffusers");
    let uses = reference.uses("three plain", "");
    let reversed: Vec<LoraUse> = uses.iter().rev().cloned().collect();
    let first = networks(&pipeline, &uses);
    assert!(Arc::ptr_eq(&first, &networks(&pipeline, &reversed)));
    assert!(first.bytes() > 0);
    assert_eq!(pipeline.networks_bytes(&uses).expect("planned"), 0, "it exists");
    // Opened again, the file is the same.
    assert!(Arc::ptr_eq(&first, &networks(&pipeline, &reference.uses("three plain", ""))));
    let other = networks(&pipeline, &reference.uses("plain 0.7", ""));
    assert!(!Arc::ptr_eq(&first, &other));
    let base = networks(&pipeline, &[]);
    assert!(Arc::ptr_eq(&base, &networks(&pipeline, &reference.uses("plain 0", ""))), "no file has an effect");
    assert_eq!(base.bytes(), 0);
}

/// The packed layers are rounded up to whole panels, which counts in layers as small as these.
#[test]
fn the_memory_of_a_set_is_estimated_from_the_headers() {
    let reference = Reference::read();
    let pipeline = load("tiny/diffusers");
    for picture in ["plain 0.7", "lokr 1.0", "three kinds"] {
        let uses = reference.uses(picture, "");
        let estimate = pipeline.networks_bytes(&uses).expect("planned");
        let bytes = networks(&pipeline, &uses).bytes();
        assert!(estimate > 0 && estimate <= bytes && bytes < 20 * estimate, "{picture}: {estimate} for {bytes}");
    }
}

#[test]
fn unused_sets_are_kept_within_the_limit() {
    let reference = Reference::read();
    let options = LoadOptions { unused_networks_bytes: Some(1), ..LoadOptions::default() };
    let pipeline = Pipeline::load(&open("tiny/diffusers"), &cpu(), options).expect("loads");
    let set = |picture: &str| Arc::downgrade(&networks(&pipeline, &reference.uses(picture, "")));
    let (first, in_use) = (set("plain 0.7"), networks(&pipeline, &reference.uses("locon 1.0", "")));
    assert!(first.upgrade().is_none(), "another set replaced it");
    let last = set("loha 1.0");
    assert!(last.upgrade().is_some(), "the next task may have the same set");
    assert!(Arc::ptr_eq(&in_use, &networks(&pipeline, &reference.uses("locon 1.0", ""))), "it is in use");
}

#[test]
fn two_files_with_dora_for_one_layer_are_an_error() {
    let reference = Reference::read();
    let pipeline = load("tiny/diffusers");
    let uses = [reference.uses("dora_output 1.0", ""), reference.uses("dora_output 0.7", "")].concat();
    let error = pipeline.networks(&uses).expect_err("both decompose the same layers").to_string();
    assert!(error.contains("(DoRA)") && error.contains("dora_output.safetensors"), "{error}");
}

#[test]
fn dropped_text_encoders_are_dropped_with_their_sets() {
    let reference = Reference::read();
    let (pipeline, params) = (load("tiny/diffusers"), reference.params());
    let set = networks(&pipeline, &reference.uses("plain 0.7", ""));
    let conditioning = pipeline.encode_with(&set, &params).expect("encodes");
    pipeline.drop_text_encoders();
    assert!(matches!(pipeline.encode_with(&set, &params), Err(sdxl::Error::NoTextEncoders)));
    let generated = pipeline.generate_from_with(&set, &params, conditioning, &mut Unobserved).expect("generates");
    let Generated::Picture(output) = generated else { panic!("nobody cancelled it") };
    close("plain 0.7", &output.latents.data, reference.latents.numbers("plain 0.7"), LATENTS);
}

/// A model with other widths: the names fit, the shapes do not.
#[test]
fn a_file_for_another_model_is_an_error() {
    let reference = Reference::read();
    let odd = Checkpoint::open(&path("odd/diffusers-fp16")).expect("opens");
    let pipeline = Pipeline::load(&odd, &cpu(), LoadOptions::default()).expect("loads");
    let error = pipeline.networks(&reference.uses("plain 0.7", "")).expect_err("it does not fit");
    assert!(error.to_string().contains("plain.safetensors"), "{error}");
}
