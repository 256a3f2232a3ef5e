//! Factors of scaled fp8 weights.
//!
//! ComfyUI's older files have a tensor `scaled_fp8` and `X.scale_weight` beside `X.weight`; its newer ones have
//! `X.weight_scale`, and `X.comfy_quant` with JSON that names the format. Without the factor a model draws only noise, so
//! everything that is not understood is an error.

use crate::{
    Dtype, TensorRef,
    source::{Located, Sources},
};
use serde::Deserialize;
use std::collections::HashMap;

/// Ends of the names that contain a weight's factor.
const FACTORS: [&str; 2] = ["scale_weight", "weight_scale"];
/// Maximum length of `comfy_quant`; real ones have under 100 bytes.
const MAX_QUANT_BYTES: u64 = 4096;

/// The tensors beside a weight that describe its quantisation.
pub(super) struct Scales<'a> {
    factors: Vec<(&'a str, &'a Located)>,
    format: Option<(&'a str, &'a Located)>,
}

impl<'a> Scales<'a> {
    /// Finds them by the weight's name.
    pub(super) fn of(weight: &str, by_name: &HashMap<&'a str, &'a Located>) -> Self {
        let Some(base) = weight.strip_suffix("weight").filter(|base| base.is_empty() || base.ends_with('.')) else {
            return Self { factors: Vec::new(), format: None };
        };
        let find = |end: &str| by_name.get_key_value(format!("{base}{end}").as_str()).map(|(name, at)| (*name, *at));
        Self { factors: FACTORS.into_iter().filter_map(find).collect(), format: find("comfy_quant") }
    }

    /// Their names in the part.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.factors.iter().chain(&self.format).map(|(name, _)| *name)
    }

    /// The factor's tensor for this weight, or the name of a tensor that is not understood.
    pub(super) fn scale(&self, sources: &Sources, weight: &TensorRef) -> Result<Option<TensorRef>, String> {
        if let Some((_, at)) = self.format {
            let wanted = match weight.dtype {
                Dtype::F8E4m3 => "float8_e4m3fn",
                Dtype::F8E5m2 => "float8_e5m2",
                _ => "",
            };
            if format_of(sources, at).is_none_or(|format| format != wanted) {
                return Err(sources.tensor(at).name.clone());
            }
        }
        let Some((_, at)) = self.factors.first() else { return Ok(None) };
        let scale = sources.tensor_ref(at);
        let is_scalar = scale.dtype.is_readable() && scale.shape.iter().all(|&side| side == 1);
        if self.factors.len() > 1 || !is_scalar || !weight.dtype.is_f8() || scale.file != weight.file {
            return Err(scale.name);
        }
        Ok(Some(scale))
    }
}

/// The format that `comfy_quant` names.
fn format_of(sources: &Sources, at: &Located) -> Option<String> {
    #[derive(Deserialize)]
    struct Quant {
        format: String,
    }
    let tensor = sources.tensor(at);
    if tensor.bytes > MAX_QUANT_BYTES {
        return None;
    }
    let mut json = vec![0; tensor.bytes as usize];
    sources.files[at.file].read_exact_at(&mut json, tensor.offset, &tensor.name).ok()?;
    serde_json::from_slice::<Quant>(&json).ok().map(|quant| quant.format)
}
