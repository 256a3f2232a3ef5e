//! All mismatches between tensors and model, reported together.

use serde::Serialize;
use std::fmt;

/// A tensor whose shape differs from the model's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Misshapen {
    /// Its name in the file.
    pub name: String,
    /// The shape that the model requires.
    pub expected: Vec<usize>,
    /// The shape in the file.
    pub found: Vec<usize>,
}

/// The tensors and the model do not match. Names are as in the file, so that users can find them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlanError {
    /// Parameters of the model without a tensor.
    pub missing: Vec<String>,
    /// Tensors that belong to no parameter and are not in the published list of ignored tensors.
    pub unexpected: Vec<String>,
    /// Tensors whose shape differs from their parameter's.
    pub misshapen: Vec<Misshapen>,
    /// Tensors in a dtype that cannot be read, with the dtype.
    pub unreadable: Vec<(String, crate::Dtype)>,
    /// Tensors that scale quantised weights in a way that is not supported.
    pub unscalable: Vec<String>,
}

impl PlanError {
    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.misshapen.is_empty()
            && self.unreadable.is_empty()
            && self.unscalable.is_empty()
    }
}

/// How many names of each kind a message lists; the data contains all.
const SHOWN: usize = 3;

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    first: &mut bool,
    what: &str,
    of: &[T],
    show: impl Fn(&T) -> String,
) -> fmt::Result {
    if of.is_empty() {
        return Ok(());
    }
    if !std::mem::take(first) {
        f.write_str("; ")?;
    }
    let names: Vec<String> = of.iter().take(SHOWN).map(show).collect();
    write!(f, "{} {what}: {}", of.len(), names.join(", "))?;
    if of.len() > SHOWN { write!(f, " and {} more", of.len() - SHOWN) } else { Ok(()) }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        list(f, &mut first, "missing", &self.missing, Clone::clone)?;
        list(f, &mut first, "unexpected", &self.unexpected, Clone::clone)?;
        list(f, &mut first, "misshapen", &self.misshapen, |m| {
            format!("{} is {:?}, needs {:?}", m.name, m.found, m.expected)
        })?;
        list(f, &mut first, "in a dtype that cannot be read", &self.unreadable, |(name, dtype)| {
            format!("{name} ({dtype})")
        })?;
        list(f, &mut first, "with an unsupported quantisation", &self.unscalable, Clone::clone)
    }
}

impl std::error::Error for PlanError {}
