//! What a pickle's instructions make: values, and the names that it may use.

use crate::{Dtype, upscaler_error::PickleError};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

/// How deep containers may be nested: dropping them recurses.
const MAX_DEPTH: usize = 32;

/// A value of the pickle.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// `None`, a truth value or a number with a fraction: not needed.
    Other,
    Int(i64),
    Text(Rc<str>),
    Tuple(Rc<[Value]>, usize),
    Dict(Rc<Dict>),
    List,
    Global(Global),
    Storage(Rc<Storage>),
    Tensor(Rc<RawTensor>),
    /// The begin of a tuple, or of a list of items.
    Mark,
}

/// A dictionary, in the order in which it was filled.
#[derive(Debug, Default)]
pub(super) struct Dict {
    pub entries: RefCell<Vec<(Value, Value)>>,
    /// Levels of containers inside it.
    pub depth: Cell<usize>,
    /// Whether another container holds it. It may then not become deeper, so that no chain or cycle of containers forms.
    pub is_inside: Cell<bool>,
}

/// The functions and classes that a pickle may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Dtype),
}

/// The values that one or more tensors share.
#[derive(Debug)]
pub(super) struct Storage {
    pub dtype: Dtype,
    pub key: Rc<str>,
    pub elements: u64,
}

/// A tensor as the arguments of `_rebuild_tensor_v2` describe it.
#[derive(Debug)]
pub(super) struct RawTensor {
    pub storage: Rc<Storage>,
    pub offset: u64,
    pub shape: Vec<u64>,
    pub strides: Vec<u64>,
}

impl Global {
    pub(super) fn of(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "FloatStorage") => Self::Storage(Dtype::F32),
            ("torch", "HalfStorage") => Self::Storage(Dtype::F16),
            ("torch", "BFloat16Storage") => Self::Storage(Dtype::Bf16),
            ("torch", "LongStorage") => Self::Storage(Dtype::I64),
            _ => return None,
        })
    }
}

/// Notes that a container holds the value, and returns the levels of containers that it adds.
pub(super) fn put_inside(value: &Value) -> usize {
    match value {
        Value::Tuple(_, depth) => *depth,
        Value::Dict(dict) => {
            dict.is_inside.set(true);
            1 + dict.depth.get()
        }
        _ => 0,
    }
}

pub(super) fn check_depth(depth: usize) -> Result<(), PickleError> {
    match depth > MAX_DEPTH {
        true => Err(PickleError::Limit { what: "depth of nesting", limit: MAX_DEPTH as u64 }),
        false => Ok(()),
    }
}
