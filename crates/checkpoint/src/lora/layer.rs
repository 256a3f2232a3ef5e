//! One layer's tensors become what is added to its weight and bias.

use super::{
    keys::{Kind, Role},
    modules::Module,
    scale::{Scales, error},
    types::{Dora, DoraAxis, Factor, LayerDelta, LoraTensor, WeightDelta},
};
use crate::{
    Error, LoraError,
    safetensors::{Tensor, WeightFile},
};
use std::collections::BTreeMap;

/// A layer and its tensors in the file.
pub(super) struct Layer<'a> {
    pub file: &'a WeightFile,
    pub module: &'a Module,
    pub tensors: &'a BTreeMap<Role, &'a Tensor>,
}

impl Layer<'_> {
    /// Checks shapes and completeness.
    pub(super) fn delta(&self, scales: &Scales<'_>) -> Result<LayerDelta, Error> {
        let kind = self.kind()?;
        let weight = match kind {
            None => None,
            Some(Kind::LowRank) => Some(self.low_rank(scales)?),
            Some(Kind::Hadamard) => Some(self.hadamard(scales)?),
            Some(Kind::Kronecker) => Some(self.kronecker(scales)?),
            Some(Kind::Full) => Some(WeightDelta::Full(self.fit(Role::Diff, &self.module.weight)?)),
        };
        let bias = match (self.tensors.get(&Role::DiffBias), self.module.bias) {
            (None, _) => None,
            (Some(_), Some(length)) => Some(self.fit(Role::DiffBias, &[length])?),
            (Some(tensor), None) => return Err(self.misshapen(tensor, &[])),
        };
        let dora = self.dora()?;
        match (&weight, &bias, &dora) {
            (None, None, _) => Err(self.incomplete(Role::Down)),
            (None | Some(WeightDelta::Full(_)), _, Some(_)) => Err(self.incomplete(Role::Down)),
            _ => Ok(LayerDelta { weight, bias, dora }),
        }
    }

    /// The layer's only kind of change.
    fn kind(&self) -> Result<Option<Kind>, Error> {
        let mut kinds = self.tensors.iter().filter_map(|(role, tensor)| Some((role.kind()?, *tensor)));
        let Some((kind, first)) = kinds.next() else { return Ok(None) };
        match kinds.find(|(other, _)| *other != kind) {
            None => Ok(Some(kind)),
            Some((_, second)) => Err(error(
                self.file,
                LoraError::Mixed { layer: self.name(), first: first.name.clone(), second: second.name.clone() },
            )),
        }
    }

    fn low_rank(&self, scales: &Scales<'_>) -> Result<WeightDelta, Error> {
        let (out, input, kernel) = self.matrix(Role::Down)?;
        let rank = self.rank(Role::Down, 0)?;
        let mid = match self.tensors.get(&Role::Mid) {
            None => None,
            // up's columns are mid's rows. All files have the same rank there, but the formula does not need it.
            Some(_) if !kernel.is_empty() => {
                let rows = self.rank(Role::Mid, 0)?;
                Some((rows, self.fit(Role::Mid, &[&[rows, rank], kernel].concat())?))
            }
            Some(tensor) => return Err(self.misshapen(tensor, &self.module.weight)),
        };
        let kernel_of_down = if mid.is_some() { &[] } else { kernel };
        let down = self.fit(Role::Down, &[&[rank, input], kernel_of_down].concat())?;
        let up = self.fit(Role::Up, &[out, mid.as_ref().map_or(rank, |(rows, _)| *rows)])?;
        let scale = self.scale(scales, Some(rank))?;
        Ok(WeightDelta::LowRank { down, up, mid: mid.map(|(_, mid)| mid), scale })
    }

    fn hadamard(&self, scales: &Scales<'_>) -> Result<WeightDelta, Error> {
        let (w1_a, w1_b, t1) = self.side(Role::HadaW1A, Role::HadaW1B, Role::HadaT1)?;
        let (w2_a, w2_b, t2) = self.side(Role::HadaW2A, Role::HadaW2B, Role::HadaT2)?;
        if t1.is_some() != t2.is_some() {
            return Err(self.incomplete(if t1.is_some() { Role::HadaT2 } else { Role::HadaT1 }));
        }
        let scale = self.scale(scales, w1_b.shape.first().copied())?;
        Ok(WeightDelta::Hadamard { w1_a, w1_b, w2_a, w2_b, t1, t2, scale })
    }

    /// One side of a LoHa.
    fn side(&self, a: Role, b: Role, t: Role) -> Result<(LoraTensor, LoraTensor, Option<LoraTensor>), Error> {
        let (out, input, kernel) = self.matrix(a)?;
        let rank = self.rank(b, 0)?;
        if !self.tensors.contains_key(&t) {
            let columns = input * area(kernel);
            return Ok((self.fit(a, &[out, rank])?, self.fit(b, &[rank, columns])?, None));
        }
        let rows = self.rank(a, 0)?;
        let (a, b) = (self.fit(a, &[rows, out])?, self.fit(b, &[rank, input])?);
        Ok((a, b, Some(self.fit(t, &[&[rows, rank], kernel].concat())?)))
    }

    fn kronecker(&self, scales: &Scales<'_>) -> Result<WeightDelta, Error> {
        let (out, input, kernel) = self.matrix(Role::LokrW1)?;
        let (w1, [o1, i1], first_rank) = self.factor(Role::LokrW1, Role::LokrW1A, Role::LokrW1B, None, &[])?;
        let t2 = self.tensors.contains_key(&Role::LokrT2).then_some(Role::LokrT2);
        let (w2, [o2, i2], rank) = self.factor(Role::LokrW2, Role::LokrW2A, Role::LokrW2B, t2, kernel)?;
        let area = area(kernel);
        let fits = o1.checked_mul(o2) == Some(out) && i1.checked_mul(i2) == Some(input * area) && i2 % area == 0;
        if !fits {
            let tensor = [Role::LokrW2, Role::LokrW2A].iter().find_map(|role| self.tensors.get(role));
            return Err(tensor
                .map_or_else(|| self.incomplete(Role::LokrW2), |tensor| self.misshapen(tensor, &self.module.weight)));
        }
        let scale = self.scale(scales, rank.or(first_rank))?;
        Ok(WeightDelta::Kronecker { w1, w2, scale })
    }

    /// A factor of a LoKr, its rows and columns (those of the second one include the kernel), and its rank if it is a
    /// product.
    fn factor(
        &self,
        whole: Role,
        a: Role,
        b: Role,
        t: Option<Role>,
        kernel: &[usize],
    ) -> Result<(Factor, [usize; 2], Option<usize>), Error> {
        if let Some(&tensor) = self.tensors.get(&whole) {
            let extra = [Some(a), Some(b), t].into_iter().flatten().find_map(|role| self.tensors.get(&role));
            if let Some(extra) = extra {
                let twice =
                    LoraError::Twice { layer: self.name(), first: tensor.name.clone(), second: extra.name.clone() };
                return Err(error(self.file, twice));
            }
            let rows = self.rank(whole, 0)?;
            let columns = match tensor.shape.get(1..) {
                Some(&[columns]) => columns,
                Some([columns, ones @ ..]) if ones == kernel || ones.iter().all(|&side| side == 1) => {
                    columns.saturating_mul(area(ones))
                }
                _ => return Err(self.misshapen(tensor, &self.module.weight)),
            };
            let tensor = self.fit(whole, &[rows, columns])?;
            return Ok((Factor::Whole(tensor), [rows, columns], None));
        }
        let rank = self.rank(b, 0)?;
        let columns = self.rank(b, 1)?;
        let Some(t) = t else {
            let rows = self.rank(a, 0)?;
            let (a, b) = (self.fit(a, &[rows, rank])?, self.fit(b, &[rank, columns])?);
            return Ok((Factor::Product { a, b, t: None }, [rows, columns], Some(rank)));
        };
        let (inner, rows) = (self.rank(a, 0)?, self.rank(a, 1)?);
        let (a, b) = (self.fit(a, &[inner, rows])?, self.fit(b, &[rank, columns])?);
        let t = Some(self.fit(t, &[&[inner, rank], kernel].concat())?);
        let columns = columns.saturating_mul(area(kernel));
        Ok((Factor::Product { a, b, t }, [rows, columns], Some(rank)))
    }

    fn dora(&self) -> Result<Option<Dora>, Error> {
        let weight = &self.module.weight;
        let (out, input) = match weight.as_slice() {
            [out, input, ..] => (*out, Some(*input)),
            _ => (0, None),
        };
        let outputs = |shape: &[usize]| {
            let ones = shape.iter().filter(|&&side| side != 1).count();
            area(shape) == out && ones <= 1
        };
        if let Some(&tensor) = self.tensors.get(&Role::Magnitude) {
            if input.is_none() || !outputs(&tensor.shape) {
                return Err(self.misshapen(tensor, weight));
            }
            return Ok(Some(Dora { scale: self.readable(tensor, &[out])?, axis: DoraAxis::Output }));
        }
        let Some(&tensor) = self.tensors.get(&Role::DoraScale) else { return Ok(None) };
        match (tensor.shape.as_slice(), input) {
            ([rows, ones @ ..], Some(_)) if *rows == out && ones.iter().all(|&side| side == 1) => {
                Ok(Some(Dora { scale: self.readable(tensor, &[out])?, axis: DoraAxis::Output }))
            }
            ([1, columns, ones @ ..], Some(input)) if *columns == input && ones.iter().all(|&side| side == 1) => {
                Ok(Some(Dora { scale: self.readable(tensor, &[input])?, axis: DoraAxis::Input }))
            }
            // peft's magnitudes of a convolution, renamed by a converter.
            (shape @ [1, ..], Some(_)) if outputs(shape) => {
                Ok(Some(Dora { scale: self.readable(tensor, &[out])?, axis: DoraAxis::Output }))
            }
            _ => Err(self.misshapen(tensor, weight)),
        }
    }

    fn scale(&self, scales: &Scales<'_>, rank: Option<usize>) -> Result<f64, Error> {
        let get = |role| self.tensors.get(&role).copied();
        scales.factor(self.module, rank, get(Role::Alpha), get(Role::Scale))
    }

    /// Outputs, inputs and kernel (empty for a linear layer) of the weight. Norms have none.
    fn matrix(&self, role: Role) -> Result<(usize, usize, &[usize]), Error> {
        match self.module.weight.as_slice() {
            [out, input, kernel @ ..] => Ok((*out, *input, kernel)),
            weight => {
                let tensor = self.tensors.get(&role).or_else(|| self.tensors.values().next());
                Err(tensor.map_or_else(|| self.incomplete(role), |tensor| self.misshapen(tensor, weight)))
            }
        }
    }

    /// A side of a tensor: at least 1.
    fn rank(&self, role: Role, side: usize) -> Result<usize, Error> {
        let Some(&tensor) = self.tensors.get(&role) else { return Err(self.incomplete(role)) };
        match tensor.shape.get(side) {
            Some(&rank @ 1..) => Ok(rank),
            _ => Err(self.misshapen(tensor, &self.module.weight)),
        }
    }

    /// A tensor in this shape. The file's shape may have more or fewer trailing ones (a 1x1 convolution for a linear
    /// layer or the reverse), or be a matrix of the same rows.
    fn fit(&self, role: Role, wanted: &[usize]) -> Result<LoraTensor, Error> {
        let Some(&tensor) = self.tensors.get(&role) else { return Err(self.incomplete(role)) };
        let found = tensor.shape.as_slice();
        let flattened = match (found, wanted) {
            (&[rows, columns], [first, rest @ ..]) => rows == *first && columns == area(rest),
            ([first, rest @ ..], &[rows, columns]) => *first == rows && columns == area(rest),
            _ => false,
        };
        if flattened || trimmed(found) == trimmed(wanted) {
            return self.readable(tensor, wanted);
        }
        let weight = if role == Role::DiffBias { wanted } else { &self.module.weight };
        Err(self.misshapen(tensor, weight))
    }

    fn readable(&self, tensor: &Tensor, shape: &[usize]) -> Result<LoraTensor, Error> {
        let Tensor { name, dtype, offset, bytes, .. } = tensor.clone();
        if !dtype.is_readable() {
            return Err(error(self.file, LoraError::Unreadable { tensor: name, dtype }));
        }
        Ok(LoraTensor { name, shape: shape.to_vec(), dtype, offset, bytes })
    }

    fn misshapen(&self, tensor: &Tensor, weight: &[usize]) -> Error {
        let (layer, weight) = (self.name(), weight.to_vec());
        let (tensor, found) = (tensor.name.clone(), tensor.shape.clone());
        error(self.file, LoraError::Misshapen { layer, tensor, found, weight })
    }

    fn incomplete(&self, missing: Role) -> Error {
        let found = self.tensors.values().next().map_or_else(String::new, |tensor| tensor.name.clone());
        error(self.file, LoraError::Incomplete { layer: self.name(), found, missing: missing.suffix() })
    }

    fn name(&self) -> String {
        format!("{} {}", self.module.part, self.module.path)
    }
}

/// The product of sides. A side of 0 has no data, so the others can be of any size in a hostile file.
fn area(sides: &[usize]) -> usize {
    sides.iter().fold(1, |area, &side| area.saturating_mul(side))
}

/// A shape without its trailing ones.
fn trimmed(shape: &[usize]) -> &[usize] {
    let length = shape.iter().rposition(|&side| side != 1).map_or(0, |last| last + 1);
    &shape[..length]
}
