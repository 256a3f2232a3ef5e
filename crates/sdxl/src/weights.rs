//! Parameters by name. A module is built from its weights; it is never initialised first and then overwritten. A
//! missing parameter is an error immediately, and an unused tensor is an error at the end, so nothing keeps a default
//! value and nothing is ignored silently.

use crate::LoadError;
use burn::tensor::{DType, Device, Tensor, TensorData};
use std::{collections::BTreeSet, fmt::Display};

/// A source of tensors, by diffusers' names.
pub trait Source {
    /// All names in the source.
    fn names(&self) -> Vec<String>;

    /// The shape of the tensor `name`, or `None` if there is no such tensor.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;

    /// The number type in which a layer should keep the tensor `name`, if the layer can keep another type than the one
    /// it computes in. `None` if there is no such tensor.
    fn kept_dtype(&self, name: &str) -> Option<DType>;

    /// The tensor `name` in `dtype` (f32, f16 or bf16), row-major.
    fn read(&mut self, name: &str, dtype: DType) -> Result<TensorData, LoadError>;
}

/// Gives a source's tensors to modules, each one once, and tracks which are left.
pub struct Loader<'s> {
    source: &'s mut dyn Source,
    left: BTreeSet<String>,
    taken: usize,
    total: usize,
    part: &'static str,
    device: Device,
    dtype: DType,
    progress: &'s mut dyn FnMut(usize, usize),
}

impl<'s> Loader<'s> {
    /// A loader for `part` (named in errors). It creates tensors of `dtype` on `device` and calls
    /// `progress(taken, total)` after each one.
    pub fn new(
        part: &'static str,
        source: &'s mut dyn Source,
        device: &Device,
        dtype: DType,
        progress: &'s mut dyn FnMut(usize, usize),
    ) -> Self {
        let left: BTreeSet<String> = source.names().into_iter().collect();
        Self { total: left.len(), source, left, taken: 0, part, device: device.clone(), dtype, progress }
    }

    /// The weights at the root of the part.
    pub fn root(&mut self) -> Weights<'_, 's> {
        Weights { loader: self, prefix: String::new() }
    }

    /// Finishes loading. Fails if a tensor was not used by any parameter.
    pub fn finish(self) -> Result<(), LoadError> {
        if self.left.is_empty() {
            return Ok(());
        }
        Err(LoadError::Unused { part: self.part, names: self.left.into_iter().collect() })
    }

    fn take<const D: usize>(
        &mut self,
        name: String,
        expected: [usize; D],
        dtype: DType,
    ) -> Result<Tensor<D>, LoadError> {
        let Some(found) = self.source.shape(&name) else {
            return Err(LoadError::Missing { name });
        };
        if !self.left.remove(&name) {
            return Err(LoadError::TakenTwice { name });
        }
        if found != expected {
            return Err(LoadError::Shape { name, expected: expected.to_vec(), found });
        }
        let data = self.source.read(&name, dtype)?;
        self.taken += 1;
        (self.progress)(self.taken, self.total);
        Ok(Tensor::from_data(data, (&self.device, dtype)))
    }
}

/// A prefix in the tree of names, for example `down_blocks.1.attentions.0.`.
pub struct Weights<'a, 's> {
    loader: &'a mut Loader<'s>,
    prefix: String,
}

impl<'s> Weights<'_, 's> {
    /// The weights below `name`. A name with dots goes several levels down.
    pub fn sub(&mut self, name: impl Display) -> Weights<'_, 's> {
        Weights { prefix: format!("{}{name}.", self.prefix), loader: self.loader }
    }

    /// Takes the tensor `name`, which must have exactly `shape`.
    pub fn tensor<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Result<Tensor<D>, LoadError> {
        self.loader.take(format!("{}{name}", self.prefix), shape, self.loader.dtype)
    }

    /// Like [`Weights::tensor`], for layers that convert the numbers when they use them. On the CPU large tensors then
    /// stay in f16 or bf16 if the checkpoint has them in that type.
    pub fn tensor_to_widen<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Result<Tensor<D>, LoadError> {
        let name = format!("{}{name}", self.prefix);
        let dtype = self.loader.source.kept_dtype(&name).unwrap_or(self.loader.dtype);
        self.loader.take(name, shape, dtype)
    }

    /// The shape of `name`, without taking it.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.loader.source.shape(&format!("{}{name}", self.prefix))
    }

    /// An error about the configuration of the current part.
    pub fn config_error(&self, message: impl Into<String>) -> LoadError {
        LoadError::Config { part: self.loader.part, message: message.into() }
    }

    /// The device of the tensors.
    pub fn device(&self) -> &Device {
        &self.loader.device
    }
}
