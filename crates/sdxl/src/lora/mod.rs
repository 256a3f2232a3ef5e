//! LoRA files on a network: the layers that they change, computed from the base's.
//!
//! A layer is changed in one of two ways. Plain LoRA and LoCon are added beside it (`y += up(down(x))`), which costs nothing
//! to switch and a few percent of a step. Everything else, and factors of so high a rank that they would cost more than the
//! layer itself, are added to its exact weight, in f32 and rounded once. Neither changes the base.

mod combined;
mod delta;
mod files;
#[cfg(test)]
mod sixteen_bits;

pub use files::LoraUse;

pub(crate) use files::{NetworksKey, SetPlan};

use crate::{
    DeviceError, Error, LoadError,
    nn::{Adaptable, Conv2d, Linear, changed, uses_cpu_kernels},
    weights::Layers,
};
use burn::tensor::{DType, Device, Tensor};
use combined::{combine, factors};
use files::Change;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Layers that replace those of a base network.
#[derive(Debug, Default)]
pub(crate) struct Adapted {
    /// The changed layers, by name.
    pub(crate) layers: Layers,
    /// Their memory in bytes.
    pub(crate) bytes: u64,
}

/// Computes all layers of a network that `changes` names, from the layers of the base.
///
/// # Errors
/// A layer that the network does not have, a file that cannot be read, tensors that do not fit, or a device failure.
pub(crate) fn adapt(
    base: &Layers,
    changes: &BTreeMap<&str, Vec<Change<'_>>>,
    device: &Device,
) -> Result<Adapted, Error> {
    let one = |(name, changes): (&&str, &Vec<Change<'_>>)| adapt_layer(base, name, changes);
    // A GPU's queue belongs to the calling thread.
    let adapted: Vec<Adapted> = match uses_cpu_kernels(device, DType::F32) {
        true => changes.par_iter().map(one).collect::<Result<_, _>>()?,
        false => changes.iter().map(one).collect::<Result<_, _>>()?,
    };
    Ok(adapted.into_iter().fold(Adapted::default(), |mut all, one| {
        all.layers.extend(one.layers);
        all.bytes += one.bytes;
        all
    }))
}

/// The memory in bytes that [`adapt`] would take, from the sizes of tensors, without reading them.
pub(crate) fn estimated_bytes(base: &Layers, changes: &BTreeMap<&str, Vec<Change<'_>>>) -> u64 {
    let of_layer = |(name, changes): (&&str, &Vec<Change<'_>>)| {
        if let Some(linear) = base.get::<Linear>(name) {
            layer_bytes(linear, changes)
        } else if let Some(conv) = base.get::<Conv2d>(name) {
            layer_bytes(conv, changes)
        } else {
            0
        }
    };
    changes.iter().map(of_layer).sum()
}

fn layer_bytes<L: Adaptable>(base: &L, changes: &[Change<'_>]) -> u64 {
    combined::factors_bytes(changes, base.weight_shape()).unwrap_or_else(|| base.own_bytes())
}

fn adapt_layer(base: &Layers, name: &str, changes: &[Change<'_>]) -> Result<Adapted, Error> {
    let mut adapted = Adapted::default();
    if let Some(linear) = base.get::<Linear>(name) {
        adapted.put(name.to_owned(), with_changes(linear, name, changes)?);
    } else if let Some(conv) = base.get::<Conv2d>(name) {
        adapted.put(name.to_owned(), with_changes(conv, name, changes)?);
    } else {
        adapt_tensors(base, name, changes, &mut adapted)?;
    }
    Ok(adapted)
}

impl Adapted {
    fn put<L: Adaptable>(&mut self, name: String, layer: L) {
        self.bytes += layer.own_bytes();
        self.layers.insert(name, layer);
    }
}

fn with_changes<L: Adaptable>(base: &L, name: &str, changes: &[Change<'_>]) -> Result<L, Error> {
    let shape = base.weight_shape();
    if let Some(factors) = factors(name, changes, shape)? {
        return Ok(base.with_low_rank(factors));
    }
    let mut parameters = base.read()?;
    combine(name, changes, &mut parameters, shape)?;
    Ok(base.replaced(parameters))
}

/// Changes the weight and the bias of a norm, or an embedding table.
fn adapt_tensors(base: &Layers, name: &str, changes: &[Change<'_>], adapted: &mut Adapted) -> Result<(), Error> {
    for (part, is_weight) in [("weight", true), ("bias", false)] {
        let key = format!("{name}.{part}");
        let concerned = changes.iter().any(|change| if is_weight { change.has_weight() } else { change.has_bias() });
        if !concerned {
            continue;
        }
        let sum = |values: &mut [f32]| combined::add_full(&key, changes, values, is_weight);
        if let Some(vector) = base.get::<Tensor<1>>(&key) {
            adapted.add_tensor(&key, changed_by(vector, sum)?);
        } else if let Some(matrix) = base.get::<Tensor<2>>(&key) {
            adapted.add_tensor(&key, changed_by(matrix, sum)?);
        } else {
            return Err(LoadError::Missing { name: key }.into());
        }
    }
    Ok(())
}

impl Adapted {
    fn add_tensor<const D: usize>(&mut self, key: &str, (tensor, bytes): (Tensor<D>, u64)) {
        self.bytes += bytes;
        self.layers.insert(key.to_owned(), tensor);
    }
}

fn changed_by<const D: usize>(
    tensor: &Tensor<D>,
    change: impl FnOnce(&mut [f32]) -> Result<(), LoadError>,
) -> Result<(Tensor<D>, u64), Error> {
    let mut outcome = Ok(());
    let new: Result<_, DeviceError> = changed(tensor, |values| outcome = change(values));
    outcome?;
    Ok(new?)
}
