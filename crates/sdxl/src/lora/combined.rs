//! All LoRA files of one layer together.

use super::{
    delta::{self, Axis},
    files::Change,
};
use crate::{
    HostTensor, LoadError,
    nn::{Factors, Parameters},
};
use checkpoint::{Dora, DoraAxis, Factor, LayerDelta, LoraTensor, WeightDelta};

/// The files' factors side by side, if each file has plain ones and together they cost less than the layer.
///
/// `shape`: outputs, inputs and side of the kernel.
///
/// # Errors
/// A tensor that cannot be read or does not fit.
pub(super) fn factors(
    name: &str,
    changes: &[Change<'_>],
    [outputs, inputs, kernel]: [usize; 3],
) -> Result<Option<Factors>, LoadError> {
    let Some((plain, rank)) = beside(changes, [outputs, inputs, kernel]) else { return Ok(None) };
    let columns = inputs * kernel * kernel;
    let mut factors = Factors {
        down: Vec::with_capacity(rank * columns),
        up: vec![0.0; outputs * rank],
        scale: Vec::with_capacity(rank),
    };
    for Plain { change, down, up, scale } in &plain {
        let (rows, first) = (down.shape.first().copied().unwrap_or(0), factors.scale.len());
        let (down, up) = (change.read(down)?.data, change.read(up)?.data);
        if down.len() != rows * columns || up.len() != outputs * rows {
            return Err(misfit(name, change));
        }
        factors.down.extend(down);
        for (to, from) in factors.up.chunks_exact_mut(rank.max(1)).zip(up.chunks_exact(rows.max(1))) {
            to[first..first + rows].copy_from_slice(from);
        }
        factors.scale.extend(std::iter::repeat_n((change.weight * scale) as f32, rows));
    }
    Ok(Some(factors))
}

/// The files and their ranks together, if each has plain factors and together they cost less than the layer.
fn beside<'a>(changes: &'a [Change<'a>], [outputs, inputs, kernel]: [usize; 3]) -> Option<(Vec<Plain<'a>>, usize)> {
    let plain = changes.iter().map(Plain::of).collect::<Option<Vec<_>>>()?;
    let columns = inputs * kernel * kernel;
    let rank: usize = plain.iter().map(Plain::rank).sum();
    (rank * (columns + outputs) < columns * outputs).then_some((plain, rank))
}

/// Memory of [`factors`] in bytes; `None` if the layer is merged instead.
pub(super) fn factors_bytes(changes: &[Change<'_>], shape: [usize; 3]) -> Option<u64> {
    let (plain, _) = beside(changes, shape)?;
    Some(plain.iter().map(|plain| plain.down.bytes + plain.up.bytes).sum())
}

/// A plain LoRA or LoCon, which can be computed beside its layer.
struct Plain<'a> {
    change: &'a Change<'a>,
    down: &'a LoraTensor,
    up: &'a LoraTensor,
    scale: f64,
}

impl<'a> Plain<'a> {
    fn of(change: &'a Change<'a>) -> Option<Self> {
        match change.delta {
            LayerDelta {
                weight: Some(WeightDelta::LowRank { down, up, mid: None, scale }),
                bias: None,
                dora: None,
            } => Some(Self { change, down, up, scale: *scale }),
            _ => None,
        }
    }

    fn rank(&self) -> usize {
        self.down.shape.first().copied().unwrap_or(0)
    }
}

/// Applies all files to a layer's parameters: first everything that adds up, then the file with DoRA, of which a layer can
/// have one.
///
/// # Errors
/// A tensor that cannot be read or does not fit, two files with DoRA, or a bias for a layer without one.
pub(super) fn combine(
    name: &str,
    changes: &[Change<'_>],
    parameters: &mut Parameters,
    [outputs, inputs, kernel]: [usize; 3],
) -> Result<(), LoadError> {
    let Parameters { weight, bias } = parameters;
    for change in changes.iter().filter(|change| change.delta.dora.is_none()) {
        if let Some((delta, scale)) = weight_delta(name, change, weight.len())? {
            delta::add(weight, change.weight * scale, &delta);
        }
    }
    let mut with_dora = changes.iter().filter_map(|change| Some((change, change.delta.dora.as_ref()?)));
    if let Some((change, Dora { scale: magnitudes, axis })) = with_dora.next() {
        if let Some((other, _)) = with_dora.next() {
            return Err(LoadError::TwoDora { layer: name.to_owned(), files: [change.file_name(), other.file_name()] });
        }
        let (axis, channels) = match axis {
            DoraAxis::Output => (Axis::Output, outputs),
            DoraAxis::Input => (Axis::Input, inputs),
        };
        let magnitudes = change.read(magnitudes)?.data;
        let Some((delta, scale)) = weight_delta(name, change, weight.len())? else {
            return Err(misfit(name, change));
        };
        if magnitudes.len() != channels {
            return Err(misfit(name, change));
        }
        let shape = [outputs, inputs, kernel * kernel];
        delta::decomposed(weight, (&delta, scale), (&magnitudes, axis), change.weight, shape);
    }
    for change in changes.iter().filter(|change| change.has_bias()) {
        let Some(bias) = bias.as_mut() else {
            return Err(LoadError::Missing { name: format!("{name}.bias") });
        };
        add_bias(name, change, bias)?;
    }
    Ok(())
}

/// Adds all files' full differences of a weight or a bias.
///
/// # Errors
/// A tensor that cannot be read or does not fit.
pub(super) fn add_full(
    name: &str,
    changes: &[Change<'_>],
    values: &mut [f32],
    is_weight: bool,
) -> Result<(), LoadError> {
    for change in changes {
        if !is_weight {
            add_bias(name, change, values)?;
        } else if let Some((delta, scale)) = weight_delta(name, change, values.len())? {
            delta::add(values, change.weight * scale, &delta);
        }
    }
    Ok(())
}

fn add_bias(name: &str, change: &Change<'_>, bias: &mut [f32]) -> Result<(), LoadError> {
    let Some(tensor) = &change.delta.bias else { return Ok(()) };
    let delta = change.read(tensor)?.data;
    if delta.len() != bias.len() {
        return Err(misfit(name, change));
    }
    delta::add(bias, change.weight, &delta);
    Ok(())
}

/// What a file adds to a weight of `len` values, and the factor to multiply it by besides the file's strength.
fn weight_delta(name: &str, change: &Change<'_>, len: usize) -> Result<Option<(Vec<f32>, f64)>, LoadError> {
    let Some(weight) = &change.delta.weight else { return Ok(None) };
    let (delta, scale) = match weight {
        WeightDelta::LowRank { down, up, mid: None, scale } => {
            (delta::low_rank(&change.read(up)?, &change.read(down)?), *scale)
        }
        WeightDelta::LowRank { down, up, mid: Some(mid), scale } => {
            (delta::tucker(&change.read(mid)?, &change.read(up)?, &change.read(down)?, false), *scale)
        }
        WeightDelta::Hadamard { w1_a, w1_b, w2_a, w2_b, t1, t2, scale } => {
            let first = rebuilt(change, w1_a, w1_b, t1.as_ref())?;
            let second = rebuilt(change, w2_a, w2_b, t2.as_ref())?;
            let sides = first.zip(second);
            (sides.and_then(|(first, second)| delta::hadamard(first.data, &second.data)), *scale)
        }
        WeightDelta::Kronecker { w1, w2, scale } => {
            let sides = factor(change, w1)?.zip(factor(change, w2)?);
            (sides.and_then(|(w1, w2)| delta::kronecker(&w1, &w2)), *scale)
        }
        WeightDelta::Full(difference) => (Some(change.read(difference)?.data), 1.0),
    };
    match delta.filter(|delta| delta.len() == len) {
        Some(delta) => Ok(Some((delta, scale))),
        None => Err(misfit(name, change)),
    }
}

/// A side of LoHa, or a decomposed factor of LoKr.
fn rebuilt(
    change: &Change<'_>,
    a: &LoraTensor,
    b: &LoraTensor,
    core: Option<&LoraTensor>,
) -> Result<Option<HostTensor>, LoadError> {
    let (a, b) = (change.read(a)?, change.read(b)?);
    let Some(core) = core else {
        let shape = [a.shape.first(), b.shape.get(1)].map(|side| side.copied().unwrap_or(1));
        return Ok(delta::low_rank(&a, &b).map(|data| HostTensor { shape: shape.to_vec(), data }));
    };
    let core = change.read(core)?;
    let sides = [a.shape.get(1), b.shape.get(1), core.shape.get(2), core.shape.get(3)];
    let shape = sides.map(|side| side.copied().unwrap_or(1)).to_vec();
    Ok(delta::tucker(&core, &a, &b, true).map(|data| HostTensor { shape, data }))
}

fn factor(change: &Change<'_>, factor: &Factor) -> Result<Option<HostTensor>, LoadError> {
    match factor {
        Factor::Whole(whole) => change.read(whole).map(Some),
        Factor::Product { a, b, t } => rebuilt(change, a, b, t.as_ref()),
    }
}

fn misfit(name: &str, change: &Change<'_>) -> LoadError {
    LoadError::LoraShape { layer: name.to_owned(), file: change.file_name() }
}
