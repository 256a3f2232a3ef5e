//! Compares a part's tensors with the parameters that its configuration requires.

use super::{Entry, Plan, scales::Scales};
use crate::{
    Misshapen, Part, PlanError, Transform,
    ignored::ignored,
    names::Expected,
    naming::Naming,
    source::{Located, PartSource, Sources},
};
use std::collections::{BTreeSet, HashMap};

/// Returns the plan and a list of everything that does not match. The plan is complete if the list is empty.
pub(crate) fn build(sources: &Sources, part: Part, source: &PartSource, expected: &[Expected]) -> (Plan, PlanError) {
    let mut by_name: HashMap<&str, &Located> = HashMap::with_capacity(source.tensors.len());
    let mut doubles = Vec::new();
    for at in &source.tensors {
        if by_name.insert(&at.local, at).is_some() {
            // Two spellings of one name are both present.
            doubles.push(sources.tensor(at).name.clone());
        }
    }
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut entries = Vec::with_capacity(expected.len());
    let mut wrong = PlanError { unexpected: doubles, ..PlanError::default() };
    for parameter in expected {
        let also = parameter.also.filter(|also| source.naming == Naming::Ldm && by_name.contains_key(also));
        let (name, transform) = match source.naming {
            Naming::Diffusers => (parameter.target.as_str(), Transform::None),
            Naming::Ldm if by_name.contains_key(parameter.ldm.as_str()) => {
                (parameter.ldm.as_str(), parameter.transform)
            }
            Naming::Ldm => also.map_or((parameter.ldm.as_str(), parameter.transform), |also| (also, Transform::None)),
        };
        let first = used.insert(name);
        match by_name.get(name) {
            Some(at) => match entry(sources, at, parameter, transform) {
                Ok(mut entry) => {
                    let scales = Scales::of(name, &by_name);
                    used.extend(scales.names());
                    match scales.scale(sources, &entry.source) {
                        Ok(scale) => entry.scale = scale,
                        Err(unscalable) => wrong.unscalable.push(unscalable),
                    }
                    entries.push(entry);
                }
                // Three parameters share a stacked tensor; report it once.
                Err(found) if first => found.add_to(&mut wrong),
                Err(_) => {}
            },
            None if first => wrong.missing.push(format!("{}{name}", source.prefix)),
            None => {}
        }
    }
    let mut left_out = Vec::new();
    for at in source.tensors.iter().filter(|at| !used.contains(at.local.as_str())) {
        let full = &sources.tensor(at).name;
        if ignored(Some(part), full).is_some() {
            left_out.push(full.clone())
        } else {
            wrong.unexpected.push(full.clone())
        }
    }
    entries.sort_by(|a, b| {
        let key = |entry: &Entry| (entry.source.file, entry.source.offset, row(entry));
        key(a).cmp(&key(b))
    });
    (Plan { part, entries, ignored: left_out }, wrong)
}

fn row(entry: &Entry) -> usize {
    match entry.transform {
        Transform::Rows { start, .. } => start,
        _ => 0,
    }
}

enum Wrong {
    Shape(Misshapen),
    Dtype(String, crate::Dtype),
}

impl Wrong {
    fn add_to(self, error: &mut PlanError) {
        match self {
            Self::Shape(misshapen) => error.misshapen.push(misshapen),
            Self::Dtype(name, dtype) => error.unreadable.push((name, dtype)),
        }
    }
}

/// A parameter's entry, if the tensor matches.
fn entry(sources: &Sources, at: &Located, parameter: &Expected, transform: Transform) -> Result<Entry, Wrong> {
    let source = sources.tensor_ref(at);
    if !source.dtype.is_readable() {
        return Err(Wrong::Dtype(source.name, source.dtype));
    }
    let needed = source_shape(&parameter.shape, transform);
    let shape = parameter.shape.clone();
    if source.shape == needed {
        return Ok(Entry { target: parameter.target.clone(), shape, source, transform, scale: None });
    }
    let is_convolution = source.shape.len() > needed.len()
        && source.shape.starts_with(&needed)
        && source.shape[needed.len()..].iter().all(|&side| side == 1);
    if parameter.squeezable && is_convolution {
        return Ok(Entry {
            target: parameter.target.clone(),
            shape,
            source,
            transform: Transform::Squeeze,
            scale: None,
        });
    }
    Err(Wrong::Shape(Misshapen { name: source.name, expected: needed, found: source.shape }))
}

/// The shape that a tensor must have in the file to become a parameter of this shape.
fn source_shape(shape: &[usize], transform: Transform) -> Vec<usize> {
    let mut shape = shape.to_vec();
    match transform {
        Transform::Transpose => shape.reverse(),
        // q, k and v are stacked.
        Transform::Rows { rows, .. } => shape[0] = 3 * rows,
        Transform::None | Transform::Squeeze => {}
    }
    shape
}
