//! Reference values, and measuring deviations from them.

use burn::tensor::{DType, Device, Tensor, TensorData};
use checkpoint::{Checkpoint, Part};
use sdxl::{Compute, DeviceChoice, LoadError, Weights, load_part};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub fn path(name: &str) -> PathBuf {
    Path::new("tests/fixtures").join(name)
}

pub fn cpu() -> Compute {
    Compute::open(DeviceChoice::Cpu).expect("the CPU is always there")
}

pub fn open(name: &str) -> Checkpoint {
    Checkpoint::open(&path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

pub fn part<T>(
    checkpoint: &Checkpoint,
    part: Part,
    device: &Device,
    build: impl FnOnce(Weights) -> Result<T, LoadError>,
) -> T {
    load_part(checkpoint, part, device, DType::F32, &mut |_, _| {}, build).unwrap_or_else(|e| panic!("{part}: {e}")).0
}

/// A safetensors file of f32 and i64 tensors, read without the code under test.
pub struct Values(BTreeMap<String, (Vec<usize>, Vec<f64>)>);

impl Values {
    pub fn read(name: &str) -> Self {
        let bytes = std::fs::read(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
        let header: BTreeMap<String, Value> = serde_json::from_slice(&bytes[8..8 + length]).expect("a header");
        let data = &bytes[8 + length..];
        let tensors = header.into_iter().filter(|(name, _)| name != "__metadata__").map(|(name, entry)| {
            let numbers = |key: &str| -> Vec<usize> {
                entry[key].as_array().expect("a list").iter().map(|n| n.as_u64().expect("a number") as usize).collect()
            };
            let (shape, span) = (numbers("shape"), numbers("data_offsets"));
            let raw = &data[span[0]..span[1]];
            let values = match entry["dtype"].as_str() {
                Some("F32") => raw.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
                Some("I64") => raw.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
                other => panic!("{name}: {other:?}"),
            };
            (name, (shape, values))
        });
        Self(tensors.collect())
    }

    pub fn numbers(&self, name: &str) -> &[f64] {
        &self.0.get(name).unwrap_or_else(|| panic!("no {name} in the fixture")).1
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn f32(&self, name: &str) -> Vec<f32> {
        self.numbers(name).iter().map(|&x| x as f32).collect()
    }

    pub fn shape<const D: usize>(&self, name: &str) -> [usize; D] {
        self.0[name].0.clone().try_into().unwrap_or_else(|shape| panic!("{name} is {shape:?}"))
    }

    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        Tensor::from_data(TensorData::new(self.f32(name), self.shape::<D>(name)), (device, DType::F32))
    }

    /// Rows of token ids.
    pub fn ids(&self, name: &str) -> Vec<Vec<u32>> {
        let [_, n] = self.shape::<2>(name);
        self.numbers(name).chunks(n).map(|row| row.iter().map(|&id| id as u32).collect()).collect()
    }
}

/// The largest difference divided by the reference's standard deviation (by its root mean square if it is constant).
/// Stricter than dividing by the largest value.
pub fn deviation(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len(), "as many numbers");
    let n = expected.len() as f64;
    let mean = expected.iter().sum::<f64>() / n;
    let spread = (expected.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    let worst = found.iter().zip(expected).map(|(&a, &b)| (f64::from(a) - b).abs());
    // `f64::max` would ignore a NaN.
    let worst = worst.fold(0.0, |a: f64, b| if b.is_nan() || b > a { b } else { a });
    worst / spread
}

/// Compares a stage with its reference and prints the deviation.
#[track_caller]
pub fn close(stage: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    let deviation = deviation(found, expected);
    println!("{stage}: largest deviation {deviation:.2e}");
    assert!(deviation <= tolerance, "{stage}: {deviation:.3e} is over {tolerance:e}");
}

#[track_caller]
pub fn tensor_close<const D: usize>(stage: &str, found: Tensor<D>, values: &Values, name: &str, tolerance: f64) {
    assert_eq!(found.dims(), values.shape::<D>(name), "{stage}");
    let found = found.into_data().try_into_vec::<f32>().expect("f32");
    close(stage, &found, values.numbers(name), tolerance);
}

/// The tolerance of a single stage.
pub const STAGE: f64 = 1e-4;

/// Both tiny models: the folder and its reference values.
pub const MODELS: [(&str, &str); 2] = [
    ("tiny/diffusers", "reference/tiny_stages.safetensors"),
    ("odd/diffusers-fp16", "reference/odd_stages.safetensors"),
];

/// A tensor of a safetensors file, as bytes.
pub struct Raw {
    pub name: String,
    pub dtype: String,
    pub shape: Vec<usize>,
    pub data: Vec<u8>,
}

/// Copies a safetensors file with its tensors modified by `change`.
pub fn copy_changed(from: &Path, to: &Path, mut change: impl FnMut(&mut Vec<Raw>)) {
    let bytes = std::fs::read(from).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let header: BTreeMap<String, Value> = serde_json::from_slice(&bytes[8..8 + length]).expect("a header");
    let numbers = |value: &Value| -> Vec<usize> { serde_json::from_value(value.clone()).expect("numbers") };
    let tensors = header.into_iter().filter(|(name, _)| name != "__metadata__").map(|(name, entry)| {
        let span = numbers(&entry["data_offsets"]);
        let data = bytes[8 + length + span[0]..8 + length + span[1]].to_vec();
        Raw { name, dtype: entry["dtype"].as_str().expect("a dtype").to_owned(), shape: numbers(&entry["shape"]), data }
    });
    let mut tensors: Vec<Raw> = tensors.collect();
    change(&mut tensors);
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for Raw { name, dtype, shape, data: bytes } in tensors {
        let start = data.len();
        data.extend(bytes);
        let entry = serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [start, data.len()]});
        header.insert(name, entry);
    }
    let header = Value::Object(header).to_string();
    let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat();
    std::fs::write(to, file).unwrap_or_else(|e| panic!("{}: {e}", to.display()));
}

/// Copies a folder recursively.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => std::fs::copy(entry.path(), target).map(|_| ()).expect("a copy"),
        }
    }
}

/// Reads a JSON file of the fixtures.
pub fn json(name: &str) -> Value {
    let text = std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Modifies the object in a JSON file.
pub fn change_json(path: &Path, change: impl FnOnce(&mut Value)) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut value = serde_json::from_str(&text).expect("JSON");
    change(&mut value);
    std::fs::write(path, value.to_string()).expect("written");
}
