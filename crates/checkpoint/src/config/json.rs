//! A config.json with checked getters. A value of the wrong type or out of range is an error that names the key, the
//! value and the supported values.

use crate::{error::Error, place::Place};
use serde_json::{Map, Value};
use std::{ops::RangeInclusive, path::PathBuf};

/// Limit for every width. SDXL's largest is 49408 (the vocabulary); its largest layer has 10240.
pub(crate) const WIDTH: RangeInclusive<usize> = 1..=1 << 20;

/// A JSON object and the path it was read from.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    pub path: PathBuf,
    pub map: Map<String, Value>,
}

impl ConfigFile {
    /// Reads the file. If it does not exist, the error is [`crate::FolderError::NoFile`].
    pub(crate) fn read(folder: &Place, name: &str) -> Result<Self, Error> {
        if !folder.has(name) {
            return Err(folder.no_file(name));
        }
        Ok(Self { map: folder.json(name)?, path: folder.path().join(name) })
    }

    /// The value of a key, unless absent or null.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// An error about a key.
    pub(crate) fn bad(&self, key: &str, supported: impl Into<String>) -> Error {
        let value = self.map.get(key).map_or_else(|| "absent".to_owned(), Value::to_string);
        Error::Config {
            path: self.path.clone(),
            key: key.to_owned(),
            value: crate::safetensors::one_line(&value),
            supported: supported.into(),
        }
    }

    /// Rejects all values that are not in `allowed`. An absent or null value is accepted only if `allowed` contains
    /// null.
    pub(crate) fn must_be(&self, key: &str, allowed: &[Value]) -> Result<(), Error> {
        let value = self.map.get(key).unwrap_or(&Value::Null);
        let same = |a: &Value| match (a.as_f64(), value.as_f64()) {
            (Some(a), Some(b)) => a == b,
            _ => a == value,
        };
        if allowed.iter().any(same) {
            return Ok(());
        }
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        Err(self.bad(key, allowed.join(" or ")))
    }

    /// A whole number; `default` if absent. An error if absent without a default.
    pub(crate) fn size(&self, key: &str, default: Option<usize>, range: RangeInclusive<usize>) -> Result<usize, Error> {
        let supported = || format!("{} to {}", range.start(), range.end());
        match (self.get(key), default) {
            (None, Some(default)) => Ok(default),
            (None, None) => Err(self.bad(key, supported())),
            (Some(value), _) => self.whole(value, &range).ok_or_else(|| self.bad(key, supported())),
        }
    }

    /// A list of whole numbers, or one number that is repeated `len` times.
    pub(crate) fn sizes(
        &self,
        key: &str,
        default: Option<usize>,
        len: usize,
        range: RangeInclusive<usize>,
    ) -> Result<Vec<usize>, Error> {
        if let Some(Value::Array(list)) = self.get(key) {
            let sizes: Option<Vec<usize>> = list.iter().map(|value| self.whole(value, &range)).collect();
            return sizes.filter(|sizes| sizes.len() == len).ok_or_else(|| {
                self.bad(key, format!("a list of {len} numbers, {} to {}", range.start(), range.end()))
            });
        }
        Ok(vec![self.size(key, default, range)?; len])
    }

    /// A list of strings.
    pub(crate) fn texts(&self, key: &str) -> Result<Vec<&str>, Error> {
        let list = self.get(key).and_then(Value::as_array);
        list.and_then(|list| list.iter().map(Value::as_str).collect()).ok_or_else(|| self.bad(key, "a list of texts"))
    }

    /// A finite number.
    pub(crate) fn number(&self, key: &str, default: f64) -> Result<f64, Error> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => value.as_f64().filter(|number| number.is_finite()).ok_or_else(|| self.bad(key, "a number")),
        }
    }

    /// A finite number above zero.
    pub(crate) fn positive(&self, key: &str, default: f64) -> Result<f64, Error> {
        let number = self.number(key, default)?;
        if number > 0.0 { Ok(number) } else { Err(self.bad(key, "a number above 0")) }
    }

    /// A boolean.
    pub(crate) fn flag(&self, key: &str, default: bool) -> Result<bool, Error> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| self.bad(key, "true or false")),
        }
    }

    /// A string; `None` if absent.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>, Error> {
        self.get(key).map(|value| value.as_str().ok_or_else(|| self.bad(key, "a text"))).transpose()
    }

    fn whole(&self, value: &Value, range: &RangeInclusive<usize>) -> Option<usize> {
        value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| range.contains(n))
    }
}
