//! Reading numbers: every dtype to every dtype, and files that change while they are read.

use crate::common::{T, models, write};
use checkpoint::{Checkpoint, Entry, Error, OpenOptions, Part, Transform};
use half::{bf16, f16};
use std::path::Path;

/// The smallest TAESD decoder file, with the given bytes as its first bias.
fn tiny_taesd(path: &Path, dtype: &'static str, bias: Vec<u8>, channels: usize) {
    let weight = |name: &str, shape: [usize; 4]| crate::common::zeros(name, dtype, &shape);
    let shape = vec![channels];
    let last = crate::common::zeros("decoder.layers.2.bias", dtype, &[3]);
    let bias = T { name: "decoder.layers.0.bias".into(), dtype, shape, data: bias };
    let first = weight("decoder.layers.0.weight", [channels, 4, 3, 3]);
    write(path, &[first, bias, weight("decoder.layers.2.weight", [3, channels, 3, 3]), last]);
}

fn open(path: &Path) -> (Checkpoint, Entry) {
    let checkpoint = Checkpoint::open_part(Part::Taesd, path, &OpenOptions::default()).expect("it opens");
    let plan = checkpoint.plan(Part::Taesd).expect("it plans");
    let bias = plan.entries.into_iter().find(|e| e.target == "decoder.layers.0.bias").expect("a bias");
    (checkpoint, bias)
}

const NUMBERS: [f32; 6] = [0.0, -1.5, 0.333_251_95, 65504.0, -6.1e-5, 3.140_625];

#[test]
fn every_dtype_is_read_as_every_dtype() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("taesd.safetensors");
    let encoded: [(&str, Vec<u8>, [f32; 6]); 4] = [
        ("F64", NUMBERS.iter().flat_map(|&n| f64::from(n).to_le_bytes()).collect(), NUMBERS),
        ("F32", NUMBERS.iter().flat_map(|n| n.to_le_bytes()).collect(), NUMBERS),
        (
            "F16",
            NUMBERS.iter().flat_map(|&n| f16::from_f32(n).to_le_bytes()).collect(),
            NUMBERS.map(|n| f16::from_f32(n).to_f32()),
        ),
        (
            "BF16",
            NUMBERS.iter().flat_map(|&n| bf16::from_f32(n).to_le_bytes()).collect(),
            NUMBERS.map(|n| bf16::from_f32(n).to_f32()),
        ),
    ];
    for (dtype, bytes, values) in encoded {
        tiny_taesd(&path, dtype, bytes, 6);
        let (checkpoint, bias) = open(&path);
        assert_eq!(checkpoint.read::<f32>(&bias).expect("f32"), values, "{dtype}");
        let halves = checkpoint.read::<bf16>(&bias).expect("bf16");
        assert_eq!(halves, values.map(bf16::from_f32), "{dtype}");
        // 65504 rounds up in bf16 to a value beyond f16's range.
        match checkpoint.read::<f16>(&bias) {
            Ok(halves) => assert_eq!(halves, values.map(f16::from_f32), "{dtype}"),
            Err(Error::Overflow { value, .. }) => assert_eq!((dtype, value), ("BF16", 65536.0)),
            Err(error) => panic!("{dtype}: {error}"),
        }
    }
}

#[test]
fn a_number_beyond_f16_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("taesd.safetensors");
    tiny_taesd(&path, "F32", [1.0f32, 7e4].iter().flat_map(|n| n.to_le_bytes()).collect(), 2);
    let (checkpoint, bias) = open(&path);
    let error = checkpoint.read::<f16>(&bias).expect_err("it does not fit");
    assert!(error.to_string().contains("decoder.layers.0.bias holds 70000"), "{error}");
    assert_eq!(checkpoint.read::<bf16>(&bias).expect("bf16 has the range").len(), 2);
}

#[test]
fn tensors_longer_than_a_piece_are_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("taesd.safetensors");
    let channels = 300_001;
    let numbers: Vec<f32> = (0..channels).map(|i| (i % 1000) as f32).collect();
    tiny_taesd(&path, "F64", numbers.iter().flat_map(|&n| f64::from(n).to_le_bytes()).collect(), channels);
    let (checkpoint, bias) = open(&path);
    assert!(checkpoint.read::<f32>(&bias).expect("f32") == numbers);
}

#[test]
fn a_file_that_shrinks_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("taesd.safetensors");
    let source = models().join("tiny/taesd/diffusion_pytorch_model.safetensors");
    std::fs::copy(source, &path).expect("a copy");
    let (checkpoint, bias) = open(&path);
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("it opens");
    file.set_len(bias.source.offset).expect("it is cut");
    let error = checkpoint.read::<f32>(&bias).expect_err("it ends too early");
    assert!(matches!(error, Error::Shrunk { .. }), "{error}");
}

#[test]
fn rows_and_transposes_pick_the_right_numbers() {
    let single = Checkpoint::open(&models().join("tiny/single-f32.safetensors")).expect("it opens");
    let plan = single.plan(Part::TextEncoder2).expect("it plans");
    let stacked = |name: &str| {
        let entry = plan.entries.iter().find(|e| e.target == name).expect("it is planned");
        let whole = Entry { shape: entry.source.shape.clone(), transform: Transform::None, ..entry.clone() };
        (single.read::<f32>(entry).expect("it reads"), single.read::<f32>(&whole).expect("it reads"))
    };
    let (keys, all) = stacked("text_model.encoder.layers.1.self_attn.k_proj.weight");
    assert_eq!((keys.len(), all.len()), (24 * 24, 3 * 24 * 24));
    assert!(keys == all[24 * 24..2 * 24 * 24]);
    let (projection, turned) = stacked("text_projection.weight");
    // The file has the transposed matrix: [24, 20] becomes [20, 24].
    assert!((0..20).all(|r| (0..24).all(|c| projection[r * 24 + c] == turned[c * 20 + r])));
}
