//! Shapes of a part's tensors by name, for configs that come from tensors alone.

use super::json::WIDTH;
use crate::error::Error;
use crate::plan::PlanError;
use std::{collections::HashMap, path::Path};

/// Head width of every attention where no config tells: SDXL's, in the UNet and both text encoders.
pub(crate) const HEAD_WIDTH: usize = 64;

/// A part's tensors: name without the part's prefix, to shape.
pub(crate) struct Shapes<'a> {
    pub path: &'a Path,
    pub prefix: &'a str,
    pub by_name: HashMap<&'a str, &'a [usize]>,
}

impl<'a> Shapes<'a> {
    /// Whether there is such a tensor.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The shape of a tensor that must be there, with as many dimensions.
    pub(crate) fn need<const RANK: usize>(&self, name: &str) -> Result<[usize; RANK], Error> {
        let Some(&shape) = self.by_name.get(name) else {
            let missing = vec![format!("{}{name}", self.prefix)];
            let source = PlanError { missing, ..PlanError::default() };
            return Err(Error::Plan { path: self.path.to_owned(), source });
        };
        let shape: [usize; RANK] = shape.try_into().map_err(|_| self.bad(name, format!("{RANK} dimensions")))?;
        // A shape with a 0 in it fills no bytes, so its other sides are bounded by nothing else.
        if shape.iter().all(|side| WIDTH.contains(side)) {
            return Ok(shape);
        }
        Err(self.bad(name, format!("sides of {} to {}", WIDTH.start(), WIDTH.end())))
    }

    /// How many of `prefix.0.suffix`, `prefix.1.suffix`, ... there are before the first that is not.
    pub(crate) fn count(&self, prefix: &str, suffix: &str) -> usize {
        (0..).take_while(|i| self.has(&format!("{prefix}.{i}.{suffix}"))).count()
    }

    /// The error about a tensor's shape.
    pub(crate) fn bad(&self, name: &str, supported: impl Into<String>) -> Error {
        let value = self.by_name.get(name).map_or_else(|| "absent".to_owned(), |shape| format!("{shape:?}"));
        Error::Config {
            path: self.path.to_owned(),
            key: format!("the shape of {}{name}", self.prefix),
            value,
            supported: supported.into(),
        }
    }

    /// Heads of an attention of that width: 64 channels each, one head where there are fewer.
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

/// Groups of every GroupNorm: 32, fewer only where a level has fewer channels.
pub(crate) fn groups(widths: impl IntoIterator<Item = usize>) -> usize {
    widths.into_iter().chain([32]).min().unwrap_or(32)
}
