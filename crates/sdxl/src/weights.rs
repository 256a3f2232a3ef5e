//! Parameters by name. A module is built from its weights; it is never initialised first and then overwritten. A
//! missing parameter is an error immediately, and an unused tensor is an error at the end, so nothing keeps a default
//! value and nothing is ignored silently.

use crate::LoadError;
use burn::tensor::{DType, Device, Tensor, TensorData};
use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Debug, Display},
    sync::Arc,
};

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

/// The layers that a module was built from, by name: a layer with a weight by its module's path (`mid_block.resnets.0.conv1`),
/// any other tensor by its own name (`mid_block.resnets.0.norm1.weight`). They share their tensors with the module.
///
/// The module's own loading code builds it again from these: with some of them replaced, the new module shares all
/// others with the old one, and no second list of names exists.
#[derive(Clone, Default)]
pub struct Layers(BTreeMap<String, Arc<dyn Any + Send + Sync>>);

impl Layers {
    /// The layer `name`, if there is one of type `L`.
    pub(crate) fn get<L: 'static>(&self, name: &str) -> Option<&L> {
        self.0.get(name)?.downcast_ref()
    }

    /// Adds a layer, or replaces it.
    pub(crate) fn insert<L: Send + Sync + 'static>(&mut self, name: String, layer: L) {
        self.0.insert(name, Arc::new(layer));
    }

    /// Takes over all layers of `other`, instead of those with the same names.
    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn layer<L: Clone + 'static>(&self, name: &str) -> Result<L, LoadError> {
        self.get(name).cloned().ok_or_else(|| LoadError::Missing { name: name.to_owned() })
    }
}

impl Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Where a loader's parameters come from.
enum Origin<'s> {
    Source(Unread<'s>),
    Layers(&'s Layers),
}

/// A source, and the tensors that were not used so far.
struct Unread<'s> {
    source: &'s mut dyn Source,
    left: BTreeSet<String>,
    taken: usize,
    total: usize,
    progress: &'s mut dyn FnMut(usize, usize),
}

/// Gives a source's tensors to modules, each one once, and tracks which are left. Or gives the layers of a module to
/// another one of the same kind.
pub struct Loader<'s> {
    origin: Origin<'s>,
    built: Layers,
    part: &'static str,
    device: Device,
    dtype: DType,
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
        let origin = Origin::Source(Unread { total: left.len(), source, left, taken: 0, progress });
        Self { origin, built: Layers::default(), part, device: device.clone(), dtype }
    }

    /// A loader that gives a module the `layers` of another one, built with the same configuration. Reads nothing.
    pub fn of_layers(part: &'static str, layers: &'s Layers, device: &Device, dtype: DType) -> Self {
        let origin = Origin::Layers(layers);
        Self { origin, built: Layers::default(), part, device: device.clone(), dtype }
    }

    /// The weights at the root of the part.
    pub fn root(&mut self) -> Weights<'_, 's> {
        Weights { loader: self, prefix: String::new(), in_layer: false }
    }

    /// Finishes loading and returns the layers that were built. Fails if a tensor was not used by any parameter.
    pub fn finish(self) -> Result<Layers, LoadError> {
        match self.origin {
            Origin::Source(Unread { left, .. }) if !left.is_empty() => {
                Err(LoadError::Unused { part: self.part, names: left.into_iter().collect() })
            }
            Origin::Source(_) => Ok(self.built),
            Origin::Layers(layers) => Ok(layers.clone()),
        }
    }
}

impl Unread<'_> {
    fn take<const D: usize>(
        &mut self,
        name: String,
        expected: [usize; D],
        dtype: DType,
        device: &Device,
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
        Ok(Tensor::from_data(data, (device, dtype)))
    }
}

/// A prefix in the tree of names, for example `down_blocks.1.attentions.0.`.
pub struct Weights<'a, 's> {
    loader: &'a mut Loader<'s>,
    prefix: String,
    /// Whether a layer takes its own tensors, which are then not kept by themselves.
    in_layer: bool,
}

impl<'s> Weights<'_, 's> {
    /// The weights below `name`. A name with dots goes several levels down.
    pub fn sub(&mut self, name: impl Display) -> Weights<'_, 's> {
        Weights { prefix: format!("{}{name}.", self.prefix), loader: self.loader, in_layer: false }
    }

    /// A layer that is one unit for [`Layers`], because it packs its tensors: `load` makes it from them. If the loader has
    /// the layers of another module, it is that module's.
    pub(crate) fn layer<L: Clone + Send + Sync + 'static>(
        &mut self,
        load: impl FnOnce(&mut Weights) -> Result<L, LoadError>,
    ) -> Result<L, LoadError> {
        let name = self.prefix.trim_end_matches('.').to_owned();
        if let Origin::Layers(layers) = self.loader.origin {
            return layers.layer(&name);
        }
        let layer = load(&mut Weights { loader: self.loader, prefix: self.prefix.clone(), in_layer: true })?;
        self.loader.built.insert(name, layer.clone());
        Ok(layer)
    }

    /// Takes the tensor `name`, which must have exactly `shape`.
    pub fn tensor<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Result<Tensor<D>, LoadError> {
        let dtype = self.loader.dtype;
        self.take(name, shape, |_, _| dtype)
    }

    /// Like [`Weights::tensor`], for layers that convert the numbers when they use them. On the CPU large tensors then
    /// stay in f16 or bf16 if the checkpoint has them in that type.
    pub fn tensor_to_widen<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Result<Tensor<D>, LoadError> {
        let dtype = self.loader.dtype;
        self.take(name, shape, |source, name| source.kept_dtype(name).unwrap_or(dtype))
    }

    fn take<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        dtype: impl FnOnce(&dyn Source, &str) -> DType,
    ) -> Result<Tensor<D>, LoadError> {
        let name = format!("{}{name}", self.prefix);
        let loader = &mut *self.loader;
        match &mut loader.origin {
            Origin::Layers(layers) => layers.layer(&name),
            Origin::Source(unread) => {
                let dtype = dtype(unread.source, &name);
                let tensor = unread.take(name.clone(), shape, dtype, &loader.device)?;
                if !self.in_layer {
                    loader.built.insert(name, tensor.clone());
                }
                Ok(tensor)
            }
        }
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
