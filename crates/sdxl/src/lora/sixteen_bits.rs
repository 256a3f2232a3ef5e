//! LoRA files merged into weights that are kept in 16 bits, against torch and peft (`tests/reference/export_lora_16.py`).

use super::{Adapted, LoraUse, SetPlan, adapt};
use crate::{
    LoadError, Loader, Source, Unet,
    nn::{Adaptable, Conv2d, Linear, Parameters},
    weights::Layers,
};
use burn::tensor::{DType, Device, TensorData};
use checkpoint::{Checkpoint, LoraFile, LoraTensor, Part};
use half::f16;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The tiny UNet, with all weights of layers in 16 bits. A checkpoint's are only if they are large.
struct Narrow<'c> {
    checkpoint: &'c Checkpoint,
    entries: BTreeMap<String, checkpoint::Entry>,
    dtype: DType,
}

impl Source for Narrow<'_> {
    fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.entries.get(name).map(|entry| entry.shape.clone())
    }

    fn kept_dtype(&self, _: &str) -> Option<DType> {
        Some(self.dtype)
    }

    fn read(&mut self, name: &str, dtype: DType) -> Result<TensorData, LoadError> {
        let entry = &self.entries[name];
        Ok(TensorData::new(self.checkpoint.read::<f32>(entry)?, entry.shape.clone()).convert_dtype(dtype))
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn layers(checkpoint: &Checkpoint, dtype: DType) -> Layers {
    let entries = checkpoint.plan(Part::Unet).expect("its plan").entries;
    let entries = entries.into_iter().map(|entry| (entry.target.clone(), entry)).collect();
    let (mut source, mut progress) = (Narrow { checkpoint, entries, dtype }, |_: usize, _: usize| {});
    let mut loader = Loader::new("unet", &mut source, &Device::flex(), DType::F32, &mut progress);
    Unet::load(loader.root(), checkpoint.unet().expect("its shape"), DType::F32).expect("loads");
    loader.finish().expect("every tensor is used")
}

/// The weight of a linear layer or a convolution.
fn weight(layers: &Layers, name: &str) -> Option<Vec<f32>> {
    let read = |read: Result<Parameters, _>| read.expect("the CPU reads").weight;
    let linear = layers.get::<Linear>(name).map(|linear| read(linear.read()));
    linear.or_else(|| layers.get::<Conv2d>(name).map(|conv| read(conv.read())))
}

/// The reference's weights by base, picture and layer.
fn references() -> BTreeMap<String, Vec<f32>> {
    let file = LoraFile::open(&path("lora/merged_16.safetensors")).expect("opens");
    let read = |tensor: &checkpoint::Tensor| {
        let checkpoint::Tensor { name, dtype, shape, offset, bytes } = tensor.clone();
        let values = file.read(&LoraTensor { name: name.clone(), shape, dtype, offset, bytes }).expect("reads");
        (name, values)
    };
    file.tensors().iter().map(read).collect()
}

fn uses(picture: &str) -> Vec<LoraUse> {
    let text = std::fs::read_to_string(path("lora/reference.json")).expect("the fixture");
    let notes: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let one = |of: &serde_json::Value| {
        let layouts = notes["files"][of[0].as_str().expect("a name")].as_object().expect("a table");
        let file = layouts.values().next().and_then(|file| file.as_str()).expect("a file");
        let weight = |at: usize| of[at].as_f64().expect("a weight");
        let file = Arc::new(LoraFile::open(&path("lora").join(file)).expect("opens"));
        LoraUse { file, unet_weight: weight(1), text_weight: weight(2) }
    };
    notes["pictures"][picture].as_array().expect("a list").iter().map(one).collect()
}

/// Steps of f16 between two numbers.
fn steps(a: f32, b: f32) -> i32 {
    // In the order of the numbers, with both zeros the same.
    let ordered = |x: f32| {
        let bits = i32::from(f16::from_f32(x).to_bits());
        if bits < 0x8000 { bits } else { 0x8000 - bits }
    };
    (ordered(a) - ordered(b)).abs()
}

/// All differences together are added to the exact weight in f32, and the sum is rounded to f16 once. A sum near the middle of
/// two numbers of f16 may be rounded to the other one, because the reference adds in f64.
#[test]
fn merged_weights_are_sums_rounded_once() {
    let checkpoint = Checkpoint::open(&path("tiny/diffusers")).expect("opens");
    let references = references();
    let (mut values, mut differ, mut unchanged) = (0, 0, 0);
    for (name, dtype) in [("f16", DType::F16), ("bf16", DType::BF16)] {
        let base = layers(&checkpoint, dtype);
        let mut sets: BTreeMap<&str, Adapted> = BTreeMap::new();
        for (key, expected) in &references {
            let [of, picture, layer] = key.splitn(3, '/').collect::<Vec<_>>().try_into().expect("three names");
            if of != name {
                continue;
            }
            let adapted = sets.entry(picture).or_insert_with(|| {
                let uses = uses(picture);
                let plan = SetPlan::new(&uses, |file| file.plan(&checkpoint)).expect("fits");
                adapt(&base, &plan.changes(Part::Unet), &Device::flex()).expect("adapts")
            });
            let before = weight(&base, layer).expect("a layer");
            let found = weight(&adapted.layers, layer).expect("it is changed");
            for ((found, expected), before) in found.iter().zip(expected).zip(before) {
                assert_eq!(f16::from_f32(*found).to_f32(), *found, "{key}: kept in f16");
                let steps = steps(*found, *expected);
                assert!(steps <= 1, "{key}: {found}, not {expected}");
                differ += usize::from(steps == 1);
                unchanged += usize::from(before == *expected);
                values += 1;
            }
        }
        assert_eq!(sets.len(), 8);
    }
    println!("{values} values, {differ} differ by a step, {unchanged} are the base's");
    assert!(differ * 500 < values, "{differ} of {values} differ");
    assert!(unchanged * 5 < values, "{unchanged} of {values} are the base's");
}

/// bf16 has numbers that f16 does not have. A layer with one of them is kept in f32 once a file changes it.
#[test]
fn a_merged_weight_that_is_too_large_for_f16_stays_exact() {
    let checkpoint = Checkpoint::open(&path("tiny/diffusers")).expect("opens");
    let base = layers(&checkpoint, DType::BF16);
    let linear = base.get::<Linear>("time_embedding.linear_1").expect("a layer");
    let mut parameters = linear.read().expect("the CPU reads");
    parameters.weight[3] = 65_536.0;
    parameters.weight[4] = 1.000_1;
    let expected = parameters.weight.clone();
    assert_eq!(linear.replaced(parameters).read().expect("the CPU reads").weight, expected);
}
