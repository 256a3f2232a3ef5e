//! Tensors of a `.pth` file, as `torch.save` writes it since PyTorch 1.6: a zip archive with one pickle and one file for
//! each storage.
//!
//! The pickle is interpreted by a closed list of instructions and names ([`machine`]); nothing is run. All else is refused.

mod archive;
mod machine;
mod value;

use crate::{Dtype, upscaler_error::PickleError};
use archive::Archive;
use std::{fs::File, rc::Rc};
use value::{RawTensor, Value};

/// The longest pickle that is interpreted. That of an ESRGAN of 702 tensors has 85 kB.
const MAX_PICKLE_BYTES: u64 = 4 << 20;

/// The dictionaries in which training programs keep a network's tensors, in the order in which they are preferred.
const WRAPPERS: [&str; 7] = ["params_ema", "params-ema", "params", "model_state_dict", "state_dict", "model", "net"];

/// A tensor of a `.pth` file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PickledTensor {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    storage: String,
    /// Its first value in the storage.
    offset: u64,
}

impl PickledTensor {
    fn elements(&self) -> u64 {
        self.shape.iter().map(|&side| side as u64).product()
    }
}

/// An open `.pth` file.
pub(crate) struct PickleFile {
    archive: Archive,
    pub tensors: Vec<PickledTensor>,
}

impl PickleFile {
    /// Interprets the pickle; reads no tensor.
    pub(crate) fn read(file: File) -> Result<Self, PickleError> {
        let mut archive = Archive::open(file)?;
        let pickle = archive.pickle(MAX_PICKLE_BYTES)?;
        let tensors = tensors(&machine::run(&pickle)?)?;
        Ok(Self { archive, tensors })
    }

    /// A tensor's bytes, little-endian and row-major.
    pub(crate) fn bytes(&mut self, tensor: &PickledTensor) -> Result<Vec<u8>, PickleError> {
        let width = tensor.dtype.bytes();
        let (from, length) = (tensor.offset * width, tensor.elements() * width);
        self.archive.storage(&tensor.storage, from, length, &tensor.name)
    }
}

/// The tensors of a state dict, or of the dictionary inside another that holds it.
fn tensors(root: &Value) -> Result<Vec<PickledTensor>, PickleError> {
    let mut dict = entries(root).ok_or(PickleError::Broken { reason: "it holds no dictionary of tensors" })?;
    for _ in 0..2 {
        let of = |name: &str| dict.iter().find(|(key, _)| key == name).and_then(|(_, value)| entries(value));
        match WRAPPERS.iter().find_map(|name| of(name)) {
            Some(inner) => dict = inner,
            None => break,
        }
    }
    let mut tensors = Vec::with_capacity(dict.len());
    for (name, value) in dict {
        // Beside the tensors some programs keep numbers and texts, for example the training step.
        if let Value::Tensor(tensor) = value {
            tensors.push(tensor.named(name)?);
        }
    }
    match tensors.is_empty() {
        true => Err(PickleError::Broken { reason: "it holds no tensors" }),
        false => Ok(tensors),
    }
}

/// The entries of a dictionary whose keys are texts.
fn entries(value: &Value) -> Option<Vec<(String, Value)>> {
    let Value::Dict(dict) = value else { return None };
    let entries = dict.entries.borrow();
    let named = entries.iter().filter_map(|(key, value)| match key {
        Value::Text(name) => Some((Rc::clone(name).to_string(), value.clone())),
        _ => None,
    });
    Some(named.collect())
}

impl RawTensor {
    fn named(&self, name: String) -> Result<PickledTensor, PickleError> {
        let mut expected = 1_u64;
        for (&side, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if side > 1 && stride != expected {
                return Err(PickleError::Tensor { name, reason: "is not stored row by row" });
            }
            expected = expected.saturating_mul(side);
        }
        let end = expected.checked_add(self.offset);
        if self.shape.len() != self.strides.len() || end.is_none_or(|end| end > self.storage.elements) {
            return Err(PickleError::Tensor { name, reason: "lies outside its storage" });
        }
        let shape = self.shape.iter().map(|&side| side as usize).collect();
        Ok(PickledTensor {
            name,
            dtype: self.storage.dtype,
            shape,
            storage: self.storage.key.to_string(),
            offset: self.offset,
        })
    }
}
