//! Tensor shapes of a part by name, for configurations derived from tensors.

use super::json::WIDTH;
use crate::{PlanError, error::Error};
use std::{collections::HashMap, path::Path};

/// Head width of every attention without a config: SDXL's, in the UNet and both text encoders.
pub(crate) const HEAD_WIDTH: usize = 64;

/// A part's tensors: from the name without the part's prefix to the shape.
pub(crate) struct Shapes<'a> {
    pub path: &'a Path,
    pub prefix: &'a str,
    pub by_name: HashMap<&'a str, &'a [usize]>,
}

impl<'a> Shapes<'a> {
    /// Whether a tensor with this name exists.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The shape of a required tensor with this number of dimensions.
    pub(crate) fn need<const RANK: usize>(&self, name: &str) -> Result<[usize; RANK], Error> {
        let Some(&shape) = self.by_name.get(name) else {
            let missing = vec![format!("{}{name}", self.prefix)];
            let source = PlanError { missing, ..PlanError::default() };
            return Err(Error::Plan { path: self.path.to_owned(), source: Box::new(source) });
        };
        let shape: [usize; RANK] = shape.try_into().map_err(|_| self.bad(name, format!("{RANK} dimensions")))?;
        // A shape with a side of 0 has no data, so the file's length does not limit its other sides.
        if shape.iter().all(|side| WIDTH.contains(side)) {
            return Ok(shape);
        }
        Err(self.bad(name, format!("sides of {} to {}", WIDTH.start(), WIDTH.end())))
    }

    /// The number of consecutive names `prefix.0.suffix`, `prefix.1.suffix`, ... that exist.
    pub(crate) fn count(&self, prefix: &str, suffix: &str) -> usize {
        (0..).take_while(|i| self.has(&format!("{prefix}.{i}.{suffix}"))).count()
    }

    /// An error about a tensor's shape.
    pub(crate) fn bad(&self, name: &str, supported: impl Into<String>) -> Error {
        let value = self.by_name.get(name).map_or_else(|| "absent".to_owned(), |shape| format!("{shape:?}"));
        Error::Config {
            path: self.path.to_owned(),
            key: format!("the shape of {}{name}", self.prefix),
            value,
            supported: supported.into(),
        }
    }

    /// Number of heads for an attention of this width: one per 64 channels, at least one.
    pub(crate) fn heads(&self, name: &str, width: usize) -> Result<usize, Error> {
        match width {
            ..HEAD_WIDTH => Ok(1),
            _ if width.is_multiple_of(HEAD_WIDTH) => Ok(width / HEAD_WIDTH),
            _ => Err(self.bad(
                name,
                format!("a width that is a multiple of {HEAD_WIDTH}: a file alone does not tell the heads"),
            )),
        }
    }
}

/// Number of groups of every GroupNorm: 32, or the channels of the narrowest level if those are fewer.
pub(crate) fn groups(widths: impl IntoIterator<Item = usize>) -> usize {
    widths.into_iter().chain([32]).min().unwrap_or(32)
}
