//! GGUF files: the numbers of the Python package `gguf`, a whole model, parts of one, and broken headers.

use crate::common::{T, fixtures, models, tiny_tensors, write_bytes};
use checkpoint::{
    Checkpoint, Dtype, Error, Family, FileKind, Header, HeaderError, LoraFile, LoraTensor, OpenOptions, Part,
    TensorError, inspect, sniff,
};
use half::f16;
use proptest::prelude::*;
use std::{fs, path::PathBuf, sync::LazyLock};

/// `tests/reference/export_gguf.py` made it.
static BLOCKS: LazyLock<Vec<u8>> = LazyLock::new(|| fs::read(fixtures().join("blocks.gguf")).expect("the fixture"));

const UNET: &str = "model.diffusion_model.";
/// A linear layer with 64 inputs, in the tiny model's first transformer.
const LINEAR: &str = "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.ff.net.2.weight";

/// ggml's number of a type in safetensors' spelling, and of one block type.
fn kind(dtype: &str) -> u32 {
    match dtype {
        "F32" => 0,
        "F16" => 1,
        "Q8_0" => 8,
        "I64" => 27,
        other => panic!("{other}"),
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A GGUF file with these tensors and keys, as stable-diffusion.cpp writes it.
fn gguf_of(tensors: &[T], keys: &[Vec<u8>]) -> Vec<u8> {
    let mut file = [&b"GGUF"[..], &3u32.to_le_bytes()].concat();
    file.extend((tensors.len() as u64).to_le_bytes());
    file.extend((keys.len() as u64).to_le_bytes());
    file.extend(keys.concat());
    let mut data = Vec::new();
    for T { name, dtype, shape, data: values } in tensors {
        file.extend(text(name));
        file.extend((shape.len() as u32).to_le_bytes());
        shape.iter().rev().for_each(|&side| file.extend((side as u64).to_le_bytes()));
        file.extend(kind(dtype).to_le_bytes());
        file.extend((data.len() as u64).to_le_bytes());
        data.extend(values);
        data.resize(data.len().next_multiple_of(32), 0);
    }
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend(data);
    file
}

fn key(name: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text(name)[..], &kind.to_le_bytes(), value].concat()
}

fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    write_bytes(&path, bytes);
    (folder, path)
}

#[test]
fn each_block_types_numbers_are_those_of_the_package_gguf() {
    let file = LoraFile::open(&fixtures().join("blocks.gguf")).expect("it opens");
    assert_eq!(file.metadata()["general.architecture"], "sdxl");
    let expected = fs::read_to_string(fixtures().join("blocks.txt")).expect("the fixture");
    let mut types = Vec::new();
    for line in expected.lines() {
        let mut words = line.split(' ');
        let name = words.next().expect("a name");
        let expected = words.map(|bits| u32::from_str_radix(bits, 16).expect("bits")).collect::<Vec<_>>();
        let tensor = file.tensors().iter().find(|tensor| tensor.name == name).expect("the tensor").clone();
        assert_eq!(tensor.elements(), expected.len() as u64, "{name}");
        let shape = if name == "convolution" { vec![4, 8, 4, 2] } else { tensor.shape.clone() };
        assert_eq!(tensor.shape, shape, "the shape before it was stored in rows of 256");
        types.push(tensor.dtype.to_string());
        let (dtype, offset, bytes) = (tensor.dtype, tensor.offset, tensor.bytes);
        let found = file.read(&LoraTensor { name: name.to_owned(), shape, dtype, offset, bytes }).expect("it reads");
        let found = found.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert!(found == expected, "{name}");
    }
    types.sort();
    let all = ["bf16", "f16", "f32", "q4_0", "q4_1", "q4_k", "q5_0", "q5_1", "q5_k", "q6_k", "q8_0", "q8_0"];
    assert_eq!(types, all);
}

/// The tiny model with one weight in blocks of 8 bits.
fn quantised() -> Vec<T> {
    let mut tensors = tiny_tensors();
    let weight = tensors.iter_mut().find(|tensor| tensor.name == LINEAR).expect("the layer");
    assert_eq!(weight.shape[1] % 32, 0);
    let values: Vec<f32> = weight.data.as_chunks::<2>().0.iter().map(|&two| f16::from_le_bytes(two).to_f32()).collect();
    weight.dtype = "Q8_0";
    weight.data = values
        .chunks(32)
        .flat_map(|block| {
            let largest = block.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            let d = f16::from_f32(largest / 127.0);
            let numbers = block.iter().map(move |value| ((value / d.to_f32()).round() as i8).to_le_bytes()[0]);
            d.to_le_bytes().into_iter().chain(numbers).collect::<Vec<_>>()
        })
        .collect();
    tensors
}

#[test]
fn a_whole_model_is_read_as_from_safetensors() {
    let (_folder, path) = file("tiny.gguf", &gguf_of(&quantised(), &[]));
    let [gguf, safetensors] =
        [&path, &models().join("tiny/single-f16.safetensors")].map(|path| Checkpoint::open(path).expect("it opens"));
    assert_eq!(gguf.shapes(), safetensors.shapes());
    let mut blocks = 0;
    for part in [Part::Unet, Part::Vae, Part::TextEncoder, Part::TextEncoder2] {
        let [found, expected] = [&gguf, &safetensors].map(|checkpoint| {
            let plan = checkpoint.plan(part).expect("it plans");
            let read = |entry: &_| checkpoint.read::<f32>(entry).expect("it reads");
            let mut values: Vec<_> =
                plan.entries.iter().map(|entry| (entry.target.clone(), entry.source.dtype, read(entry))).collect();
            values.sort_by(|a, b| a.0.cmp(&b.0));
            values
        });
        assert_eq!(found.len(), expected.len(), "{part}");
        for ((name, dtype, found), (_, _, expected)) in found.into_iter().zip(expected) {
            let limit = if dtype == Dtype::Q8_0 { 0.01 } else { 0.0 };
            blocks += usize::from(dtype == Dtype::Q8_0);
            assert_eq!(found.len(), expected.len(), "{name}");
            let farthest = found.iter().zip(&expected).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(farthest <= limit && (limit == 0.0 || farthest > 0.0), "{name}: {farthest}");
        }
    }
    assert_eq!(blocks, 1);
    let report = inspect(&path, &OpenOptions::default()).expect("a report");
    assert!(report.loadable, "{:?}", report.problems);
    assert_eq!((report.family, report.dtypes[&Dtype::Q8_0]), (Family::Sdxl, 16 * 64));
    assert_eq!(sniff(&path), FileKind::Checkpoint);
}

/// As ComfyUI-GGUF writes it: only the UNet, without its prefix.
#[test]
fn a_unet_alone_is_described_and_refused_as_a_model() {
    let tensors: Vec<T> = quantised()
        .into_iter()
        .filter_map(|tensor| Some(T { name: tensor.name.strip_prefix(UNET)?.to_owned(), ..tensor }))
        .collect();
    let architecture = key("general.architecture", 8, &text("sdxl"));
    let (_folder, path) = file("unet.gguf", &gguf_of(&tensors, &[architecture]));
    let error = Checkpoint::open(&path).expect_err("it has no text encoders");
    assert!(matches!(error, Error::Family { family: Family::SdxlUnet, .. }), "{error}");
    assert!(error.to_string().contains("this is an SDXL UNet without text encoders and VAE"), "{error}");
    assert_eq!(sniff(&path), FileKind::Checkpoint);
    let report = inspect(&path, &OpenOptions::default()).expect("a report");
    assert_eq!((report.family, report.parts.len(), report.parts[0].part), (Family::SdxlUnet, 1, Part::Unet));
    assert_eq!(report.metadata["general.architecture"], "sdxl");
}

fn refused(bytes: &[u8]) -> HeaderError {
    let error = Header::from_bytes(bytes).expect_err("it is refused");
    assert!(!error.to_string().contains('\n'));
    let (_folder, path) = file("x.gguf", bytes);
    match Checkpoint::open(&path).expect_err("it is refused") {
        Error::Header { source, .. } => assert_eq!(source, error, "from disk the error is the same"),
        other => panic!("{other}"),
    }
    error
}

fn message(bytes: &[u8]) -> String {
    match refused(bytes) {
        HeaderError::Gguf { message } => message,
        other => panic!("{other}"),
    }
}

fn tensor(name: &str, dtype: &'static str, shape: &[usize], bytes: usize) -> T {
    T { name: name.into(), dtype, shape: shape.to_vec(), data: vec![0; bytes] }
}

#[test]
fn broken_headers_are_named() {
    let reason = |tensors: &[T], keys: &[Vec<u8>]| match refused(&gguf_of(tensors, keys)) {
        HeaderError::Tensor { reason, .. } => reason,
        other => panic!("{other}"),
    };
    let good = tensor("a", "F32", &[2, 4], 32);
    assert!(Header::from_bytes(&gguf_of(std::slice::from_ref(&good), &[])).is_ok());
    assert_eq!(message(b"GGUF\x03\0\0\0\0\0\0\0"), "it does not end within the first 12 bytes");
    assert_eq!(message(b"GGUF\0\0\0\x03"), "it is big-endian");
    assert_eq!(message(b"GGUF\x01\0\0\0"), "version 1 is not supported; only 2 and 3 are");
    let mut many = gguf_of(&[], &[]);
    many[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(refused(&many), HeaderError::TooManyTensors { .. }));
    let mut many = gguf_of(&[], &[]);
    many[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(message(&many), "it has more than 100000 keys");
    // Lengths that lie: of a text, of an array, of an array of texts.
    let long = u64::MAX.to_le_bytes();
    let array = |kind: u32| key("x", 9, &[&kind.to_le_bytes()[..], &long].concat());
    for lie in [key("x", 8, &long), array(10), array(8)] {
        assert!(message(&gguf_of(&[], &[lie])).starts_with("it does not end"));
    }
    assert_eq!(message(&gguf_of(&[], &[array(9)])), "an array has values of the type 9");
    assert_eq!(message(&gguf_of(&[], &[key("x", 99, &[])])), "a value has the unknown type 99");
    let alignment = |value: u32| key("general.alignment", 4, &value.to_le_bytes());
    assert_eq!(message(&gguf_of(&[], &[alignment(48)])), "general.alignment is 48");
    assert!(Header::from_bytes(&gguf_of(&[], &[alignment(32)])).is_ok());

    assert_eq!(refused(&gguf_of(&[good.clone(), good.clone()], &[])), HeaderError::Duplicate { name: "a".into() });
    let rank = tensor("a", "F32", &[1; 9], 4);
    assert_eq!(reason(&[rank], &[]), TensorError::Rank { rank: 9, limit: 8 });
    let rows = tensor("a", "Q8_0", &[2, 16], 34);
    assert!(matches!(reason(&[rows], &[]), TensorError::Size { .. }), "a row must be whole blocks");
    let huge = tensor("a", "F32", &[1 << 40, 1 << 40], 0);
    assert!(matches!(reason(&[huge], &[]), TensorError::Size { .. }));
    let short = tensor("a", "F32", &[64], 32);
    assert!(matches!(reason(&[short], &[]), TensorError::Truncated { .. }));
    let long = tensor("a", "F32", &[8], 96);
    assert!(matches!(refused(&gguf_of(&[long], &[])), HeaderError::Gap { bytes: 64, .. }));
    let shape = |sides: [i32; 2]| {
        let sides = sides.map(i32::to_le_bytes).concat();
        key("comfy.gguf.orig_shape.a", 9, &[&5u32.to_le_bytes()[..], &2u64.to_le_bytes(), &sides].concat())
    };
    let header = Header::from_bytes(&gguf_of(std::slice::from_ref(&good), &[shape([8, 1])])).expect("it fits");
    assert_eq!(header.tensors[0].shape, [8, 1]);
    assert!(matches!(reason(std::slice::from_ref(&good), &[shape([8, 2])]), TensorError::Size { .. }));
    assert_eq!(message(&gguf_of(&[good], &[shape([-8, 1])])), "an original shape has the side -8");
    // A type that is not read.
    let mut q3 = BLOCKS.clone();
    let at = q3.windows(4).position(|bytes| bytes == b"Q4_K").expect("its name") + 4 + 4 + 16;
    assert_eq!(q3[at], 12);
    q3[at] = 11;
    match refused(&q3) {
        HeaderError::Tensor { name, reason: TensorError::Dtype { dtype } } => {
            assert_eq!((&*name, &*dtype), ("Q4_K", "Q3_K"))
        }
        other => panic!("{other}"),
    }
}

/// Reads every tensor; any result is accepted.
fn exercise(bytes: Vec<u8>) {
    let Ok(file) = LoraFile::in_memory("x".into(), bytes.into()) else { return };
    for checkpoint::Tensor { name, dtype, shape, offset, bytes } in file.tensors().to_vec() {
        let elements: usize = shape.iter().product();
        let read = file.read(&LoraTensor { name, shape, dtype, offset, bytes }).expect("it lies in the file");
        if dtype.is_readable() {
            assert_eq!(read.len(), elements);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_file_is_answered(changes in proptest::collection::vec((0usize..1200, any::<u8>()), 1..5)) {
        let mut bytes = BLOCKS.clone();
        for (at, byte) in changes {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        exercise(bytes);
    }

    #[test]
    fn any_bytes_behind_the_magic_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        exercise([&b"GGUF\x03\0\0\0"[..], &bytes].concat());
    }

    #[test]
    fn a_file_cut_anywhere_is_refused(share in 0.0..1.0) {
        let length = (share * (BLOCKS.len() - 32) as f64) as usize;
        prop_assert!(Header::from_bytes(&BLOCKS[..length]).is_err());
    }
}
