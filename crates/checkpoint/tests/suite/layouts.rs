//! One tiny model, written by diffusers in every layout and dtype: all give the same parameters.

use crate::common::models;
use checkpoint::{Checkpoint, Layout, OpenOptions, Part, Prediction, TokenizerFiles, Transform};
use std::collections::BTreeMap;

const PARTS: [Part; 4] = [Part::TextEncoder, Part::TextEncoder2, Part::Unet, Part::Vae];

type Numbers = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn numbers(checkpoint: &Checkpoint, part: Part) -> Numbers {
    let plan = checkpoint.plan(part).expect("it plans");
    let read = |entry: &checkpoint::Entry| (entry.shape.clone(), checkpoint.read(entry).expect("it reads"));
    let all: Numbers = plan.entries.iter().map(|entry| (entry.target.clone(), read(entry))).collect();
    assert_eq!(all.len(), plan.entries.len(), "no parameter is filled twice");
    all
}

#[test]
fn every_layout_and_dtype_reads_the_same_numbers() {
    let open = |name: &str| Checkpoint::open(&models().join("tiny").join(name)).expect("it opens");
    let reference = open("diffusers");
    let mut compared = 0;
    for name in ["diffusers-fp16", "single-f32.safetensors", "single-f16.safetensors"] {
        let other = open(name);
        assert_eq!(other.unet().expect("a unet"), reference.unet().expect("a unet"), "{name}");
        assert_eq!(other.parts(), PARTS, "{name}");
        for part in PARTS {
            let (ours, theirs) = (numbers(&reference, part), numbers(&other, part));
            assert!(ours == theirs, "{name}: {part} differs");
            compared += ours.len();
        }
    }
    assert_eq!(compared, 3 * (620 + 184 + 36 + 53));
}

#[test]
fn the_three_transforms_are_used_where_a_single_file_needs_them() {
    let single = Checkpoint::open(&models().join("tiny/single-f32.safetensors")).expect("it opens");
    let count = |part, like: fn(&Transform) -> bool| {
        single.plan(part).expect("it plans").entries.iter().filter(|entry| like(&entry.transform)).count()
    };
    assert_eq!(count(Part::TextEncoder2, |t| matches!(t, Transform::Rows { .. })), 3 * 3 * 2);
    assert_eq!(count(Part::TextEncoder2, |t| matches!(t, Transform::Transpose)), 1);
    assert_eq!(count(Part::Vae, |t| matches!(t, Transform::Squeeze)), 2 * 4);
    assert_eq!(count(Part::Unet, |t| !matches!(t, Transform::None)), 0);
}

#[test]
fn a_config_overrules_what_tensors_would_suggest() {
    let odd = Checkpoint::open(&models().join("odd/diffusers-fp16")).expect("it opens");
    let unet = odd.unet().expect("a unet");
    let heads: Vec<usize> = unet.down.iter().map(|block| block.heads).collect();
    assert_eq!((heads, unet.norm_num_groups), (vec![1, 3, 4], 4));
    assert_eq!(odd.vae().expect("a vae").scaling_factor, 0.2);
    assert_eq!(odd.scheduler().prediction_type, Prediction::V);
    assert!(odd.scheduler().rescale_betas_zero_snr);
    for part in PARTS {
        odd.plan(part).expect("it plans");
    }
}

#[test]
fn taesd_reads_the_same_from_either_naming() {
    let (tiny, options) = (models().join("tiny"), OpenOptions::default());
    let folder = Checkpoint::open_part(Part::Taesd, &tiny.join("taesd"), &options).expect("it opens");
    let file = tiny.join("taesd/diffusion_pytorch_model.safetensors");
    let file = Checkpoint::open_part(Part::Taesd, &file, &options).expect("it opens");
    let original = tiny.join("taesdxl_decoder.safetensors");
    let original = Checkpoint::open_part(Part::Taesd, &original, &options).expect("it opens");
    assert_eq!(folder.layout(), Layout::Part);
    assert_eq!(folder.taesd().expect("a taesd"), original.taesd().expect("a taesd"));
    assert_eq!(folder.taesd().expect("a taesd"), file.taesd().expect("a taesd"));
    let round = |(shape, numbers): (Vec<usize>, Vec<f32>)| {
        (shape, numbers.into_iter().map(|n| half::f16::from_f32(n).to_f32()).collect::<Vec<_>>())
    };
    let f32s: BTreeMap<_, _> = numbers(&folder, Part::Taesd).into_iter().map(|(k, v)| (k, round(v))).collect();
    assert!(f32s == numbers(&original, Part::Taesd));
    assert!(numbers(&folder, Part::Taesd) == numbers(&file, Part::Taesd));
    let encoder = tiny.join("taesdxl_encoder.safetensors");
    let error = Checkpoint::open_part(Part::Taesd, &encoder, &options).expect_err("an encoder is refused");
    assert!(error.to_string().ends_with("this is the encoder of a TAESD alone, not taesd"), "{error}");
}

#[test]
fn a_vae_is_taken_out_of_any_checkpoint() {
    let options = OpenOptions::default();
    let reference = Checkpoint::open(&models().join("tiny/diffusers")).expect("it opens");
    let reference = numbers(&reference, Part::Vae);
    let inner = "tiny/diffusers/vae/diffusion_pytorch_model.safetensors";
    for path in ["tiny/diffusers", "tiny/diffusers/vae", inner, "tiny/single-f32.safetensors"] {
        let vae = Checkpoint::open_part(Part::Vae, &models().join(path), &options).expect("it opens");
        assert_eq!(vae.parts(), [Part::Vae], "{path}");
        assert!(numbers(&vae, Part::Vae) == reference, "{path}");
    }
}

#[test]
fn tokenizers_are_found_in_either_form() {
    let tiny = models().join("tiny");
    let pair = Checkpoint::open(&tiny.join("diffusers")).expect("it opens");
    assert!(matches!(pair.tokenizer(Part::TextEncoder2), TokenizerFiles::VocabMerges { .. }));
    let json = Checkpoint::open(&tiny.join("diffusers-fp16")).expect("it opens");
    let path = tiny.join("diffusers-fp16/tokenizer_2/tokenizer.json");
    assert_eq!(json.tokenizer(Part::TextEncoder2), TokenizerFiles::Json(path));
    let single = Checkpoint::open(&tiny.join("single-f32.safetensors")).expect("it opens");
    assert_eq!(single.tokenizer(Part::TextEncoder), TokenizerFiles::BuiltIn);
}
