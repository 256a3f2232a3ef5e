//! The factor of a layer's change: alpha / r, or what a file has in its place.

use super::modules::Module;
use crate::{
    Dtype, Error, LoraError,
    safetensors::{Tensor, WeightFile, one_line},
};
use serde_json::{Map, Value};

/// diffusers' metadata entry with peft's configuration.
const PEFT_METADATA: &str = "lora_adapter_metadata";

/// The rules of one file.
pub(super) struct Scales<'a> {
    file: &'a WeightFile,
    peft: Option<Map<String, Value>>,
}

impl<'a> Scales<'a> {
    /// Reads the metadata.
    pub(super) fn of(file: &'a WeightFile) -> Result<Self, Error> {
        let Some(text) = file.header.metadata.get(PEFT_METADATA) else { return Ok(Self { file, peft: None }) };
        let bad = |reason: String| error(file, LoraError::Metadata { reason });
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(Self { file, peft: Some(map) }),
            Ok(_) => Err(bad("is not an object".into())),
            Err(cause) => Err(bad(format!("is not JSON: {}", one_line(&cause.to_string())))),
        }
    }

    /// The factor of a layer with this rank. `rank` is `None` for a LoKr of two whole factors.
    ///
    /// `.scale` is the factor itself (stable-diffusion-webui). `.alpha` is divided by the rank; 0 means the rank, as in
    /// kohya's sd-scripts. Without either, peft's metadata decides, and without that the factor is 1.
    pub(super) fn factor(
        &self,
        module: &Module,
        rank: Option<usize>,
        alpha: Option<&Tensor>,
        scale: Option<&Tensor>,
    ) -> Result<f64, Error> {
        if let Some(scale) = scale {
            return self.number(scale);
        }
        let alpha = alpha.map(|alpha| self.number(alpha)).transpose()?;
        let Some(rank) = rank else { return Ok(1.0) };
        match alpha {
            Some(0.0) => Ok(1.0),
            Some(alpha) => Ok(alpha / rank as f64),
            None => self.peft_factor(module, rank),
        }
    }

    fn peft_factor(&self, module: &Module, rank: usize) -> Result<f64, Error> {
        let Some(peft) = &self.peft else { return Ok(1.0) };
        let bad = |reason: String| error(self.file, LoraError::Metadata { reason });
        let part = module.part.folder();
        let get = |key: &str| peft.get(&format!("{part}.{key}")).filter(|value| !value.is_null());
        let mut alpha = get("lora_alpha");
        if let Some(patterns) = get("alpha_pattern") {
            let Value::Object(patterns) = patterns else {
                return Err(bad(format!("has a {part}.alpha_pattern that is not an object")));
            };
            for (pattern, value) in patterns {
                let Some(literal) = literal(pattern) else {
                    return Err(bad(format!("has a pattern that is not a module's name: {}", one_line(pattern))));
                };
                let rest = module.path.strip_suffix(literal.as_str());
                if rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) {
                    alpha = Some(value);
                }
            }
        }
        let Some(alpha) = alpha else { return Ok(1.0) };
        let alpha = alpha.as_f64().filter(|alpha| alpha.is_finite());
        let alpha = alpha.ok_or_else(|| bad(format!("has a {part} alpha that is not a number")))?;
        let rank = rank as f64;
        match get("use_rslora") {
            None | Some(Value::Bool(false)) => Ok(alpha / rank),
            Some(Value::Bool(true)) => Ok(alpha / rank.sqrt()),
            Some(_) => Err(bad(format!("has a {part}.use_rslora that is not a boolean"))),
        }
    }

    /// A tensor with one finite number, of any dtype: kohya's sd-scripts save alpha as an integer if it was given as one.
    fn number(&self, tensor: &Tensor) -> Result<f64, Error> {
        let bad = || error(self.file, LoraError::Scale { tensor: tensor.name.clone() });
        if tensor.elements() != 1 {
            return Err(bad());
        }
        let mut bytes = [0; 8];
        let bytes = &mut bytes[..tensor.dtype.bytes() as usize];
        self.file.read_exact_at(bytes, tensor.offset, &tensor.name)?;
        let number = match (tensor.dtype, &*bytes) {
            (Dtype::I64, &[a, b, c, d, e, f, g, h]) => i64::from_le_bytes([a, b, c, d, e, f, g, h]) as f64,
            (Dtype::I32, &[a, b, c, d]) => f64::from(i32::from_le_bytes([a, b, c, d])),
            (Dtype::I16, &[a, b]) => f64::from(i16::from_le_bytes([a, b])),
            (Dtype::I8, &[a]) => f64::from(i8::from_le_bytes([a])),
            (Dtype::F64, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
            (dtype, _) if dtype.is_readable() => {
                let read = crate::read::values(self.file, &tensor.name, dtype, tensor.offset, tensor.bytes)?;
                read.first().map_or(f64::NAN, |&number| f64::from(number))
            }
            _ => return Err(bad()),
        };
        if number.is_finite() { Ok(number) } else { Err(bad()) }
    }
}

/// peft's patterns are regular expressions for the end of a module's path. Only plain names are understood, with escaped
/// dots and an anchor.
fn literal(pattern: &str) -> Option<String> {
    let plain = pattern.trim_start_matches('^').trim_end_matches('$').replace("\\.", ".");
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    plain.chars().all(is_name).then_some(plain)
}

/// The error about a file.
pub(super) fn error(file: &WeightFile, source: LoraError) -> Error {
    Error::Lora { path: file.path.clone(), source: Box::new(source) }
}
