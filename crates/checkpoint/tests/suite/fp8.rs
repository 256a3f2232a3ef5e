//! 8-bit floats, plain and with factors, against torch.

use crate::common::{T, bytes_of, fixtures, floats, models, tiny_tensors, write};
use checkpoint::{Checkpoint, Dtype, Error, LoraFile, OpenOptions, Part, WeightDelta, inspect};
use std::{path::Path, sync::Arc};

const UNET: &str = "model.diffusion_model.";
/// A linear layer of 16 by 16: one value for each byte.
const LINEAR: &str = "input_blocks.4.1.transformer_blocks.0.attn1.to_q";
const TARGET: &str = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight";

/// torch's numbers for all bytes, by the format's name of the type; from `tests/reference/export_fp8.py`.
fn numbers(dtype: &str) -> Vec<f32> {
    let text = std::fs::read_to_string(fixtures().join("fp8.txt")).expect("the fixture is there");
    let line = text.lines().find_map(|line| line.strip_prefix(dtype)).expect("a line for the type");
    let bits = |word: &str| f32::from_bits(u32::from_str_radix(word, 16).expect("a number"));
    line.split_whitespace().map(bits).collect()
}

fn all_bytes() -> Vec<u8> {
    (0..=255).collect()
}

/// Equal to the last bit, or both not a number.
fn assert_same(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan());
        assert!(same, "byte {index:#04x}: {found} instead of {expected}");
    }
}

/// The tiny model with the linear layer in fp8 and more tensors beside it.
fn write_with(path: &Path, dtype: &'static str, more: Vec<T>) {
    let mut tensors = tiny_tensors();
    let weight = tensors.iter_mut().find(|t| t.name == format!("{UNET}{LINEAR}.weight")).expect("the layer");
    (weight.dtype, weight.data) = (dtype, all_bytes());
    tensors.extend(more);
    write(path, &tensors);
}

fn read(path: &Path) -> Vec<f32> {
    let checkpoint = Checkpoint::open(path).expect("it opens");
    let plan = checkpoint.plan(Part::Unet).expect("it plans");
    let entry = plan.entries.iter().find(|entry| entry.target == TARGET).expect("the layer");
    checkpoint.read::<f32>(entry).expect("it reads")
}

fn refusal(path: &Path) -> String {
    let checkpoint = Checkpoint::open(path).expect("it opens");
    match checkpoint.plan(Part::Unet) {
        Err(error @ Error::Plan { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_byte_is_the_number_that_torch_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    for dtype in ["F8_E4M3", "F8_E5M2"] {
        write_with(&path, dtype, Vec::new());
        assert_same(&read(&path), &numbers(dtype));
        let checkpoint = Checkpoint::open(&path).expect("it opens");
        let plan = checkpoint.plan(Part::Unet).expect("it plans");
        let entry = plan.entries.iter().find(|entry| entry.target == TARGET).expect("the layer");
        // f16 holds all of them exactly.
        let halves = checkpoint.read::<half::f16>(entry).expect("it reads");
        assert_same(&halves.iter().map(|half| half.to_f32()).collect::<Vec<_>>(), &numbers(dtype));
        let report = inspect(&path, &OpenOptions::default()).expect("a report");
        assert!(report.loadable, "{:?}", report.problems);
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["dtypes"][dtype.to_lowercase()], 256);
    }
}

#[test]
fn a_loras_fp8_is_read_too() {
    let down = T { name: format!("unet.{TARGET}"), dtype: "F8_E4M3", shape: vec![16, 16], data: all_bytes() };
    let down = T { name: down.name.replace(".weight", ".lora_A.weight"), ..down };
    let up = T { name: down.name.replace("lora_A", "lora_B"), dtype: "F8_E5M2", ..down.clone() };
    let lora = LoraFile::in_memory("x".into(), Arc::new(bytes_of(&[down, up], &[]))).expect("a header");
    let tiny = Checkpoint::open(&models().join("tiny/diffusers")).expect("it opens");
    let plan = lora.plan(&tiny).expect("it plans");
    let delta = plan.layers[&Part::Unet].values().next().expect("a layer");
    let Some(WeightDelta::LowRank { down, up, .. }) = &delta.weight else { panic!("{delta:?}") };
    assert_same(&lora.read(down).expect("it reads"), &numbers("F8_E4M3"));
    assert_same(&lora.read(up).expect("it reads"), &numbers("F8_E5M2"));
}

#[test]
fn factors_are_applied_under_either_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    let scaled: Vec<f32> = numbers("F8_E4M3").iter().map(|number| number * 0.3).collect();
    let local = |end: &str| format!("{UNET}{LINEAR}.{end}");
    let quant = |json: &str| T {
        name: local("comfy_quant"),
        dtype: "U8",
        shape: vec![json.len()],
        data: json.as_bytes().to_vec(),
    };
    let mark = T { name: format!("{UNET}scaled_fp8"), dtype: "F8_E4M3", shape: vec![0], data: Vec::new() };
    let input = |end: &str| floats(&local(end), &[], &[7.0]);
    write_with(&path, "F8_E4M3", vec![mark, floats(&local("scale_weight"), &[], &[0.3]), input("scale_input")]);
    assert_same(&read(&path), &scaled);
    let format = quant(r#"{"format": "float8_e4m3fn"}"#);
    write_with(&path, "F8_E4M3", vec![format, floats(&local("weight_scale"), &[1], &[0.3]), input("input_scale")]);
    assert_same(&read(&path), &scaled);
    for (dtype, more) in [
        // A format that is not known, or another than the weight's.
        ("F8_E4M3", vec![quant(r#"{"format": "nvfp4"}"#), floats(&local("weight_scale"), &[], &[0.3])]),
        ("F8_E5M2", vec![quant(r#"{"format": "float8_e4m3fn"}"#), floats(&local("weight_scale"), &[], &[0.3])]),
        ("F8_E4M3", vec![quant("nothing")]),
        // One factor for each row.
        ("F8_E4M3", vec![floats(&local("weight_scale"), &[16, 1], &[0.3; 16])]),
        ("F8_E4M3", vec![floats(&local("weight_scale"), &[], &[0.3]), floats(&local("scale_weight"), &[], &[0.3])]),
    ] {
        write_with(&path, dtype, more);
        assert!(refusal(&path).contains("with an unsupported quantisation"), "{}", refusal(&path));
    }
    let stray = floats(&format!("{UNET}elsewhere.scale_weight"), &[], &[0.3]);
    write_with(&path, "F8_E4M3", vec![stray]);
    assert!(refusal(&path).contains("unexpected: model.diffusion_model.elsewhere.scale_weight"));
    // A factor for a weight that is not fp8.
    let other = format!("{UNET}{}.scale_weight", LINEAR.replace("to_q", "to_k"));
    write_with(&path, "F8_E4M3", vec![floats(&other, &[], &[0.3])]);
    assert!(refusal(&path).contains("with an unsupported quantisation"));
}

#[test]
fn a_factor_that_is_no_number_is_an_error_when_it_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    write_with(&path, "F8_E4M3", vec![floats(&format!("{UNET}{LINEAR}.scale_weight"), &[], &[f32::NAN])]);
    let checkpoint = Checkpoint::open(&path).expect("it opens");
    let plan = checkpoint.plan(Part::Unet).expect("it plans");
    let entry = plan.entries.iter().find(|entry| entry.target == TARGET).expect("the layer");
    let error = checkpoint.read::<f32>(entry).expect_err("refused").to_string();
    assert!(error.contains("scale_weight is [NaN]"), "{error}");
}

#[test]
fn other_8_bit_floats_stay_unreadable() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    for dtype in ["F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"] {
        write_with(&path, dtype, Vec::new());
        assert!(refusal(&path).contains("in a dtype that cannot be read"), "{}", refusal(&path));
    }
    assert!(!Dtype::F8.is_readable());
}
