//! LoRA files of a generation, each with its weights.

use crate::{limits, names::shortened};
use serde::{Deserialize, Serialize};
use std::{fmt, ops::Deref, str::FromStr};

/// One LoRA file and how strongly it is applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// Its name in the library: the file's name without its extension, or its path inside the folder where two files
    /// have the same name.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = limits::LORA_NAME_CHARS)))]
    pub name: String,
    /// Weight for the UNet. 0 leaves the UNet unchanged.
    #[serde(default = "one")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::LORA_WEIGHT.start(), max = *limits::LORA_WEIGHT.end())))]
    pub unet_weight: f64,
    /// Weight for both text encoders; by default the UNet's. 0 leaves them unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::LORA_WEIGHT.start(), max = *limits::LORA_WEIGHT.end())))]
    pub text_weight: Option<f64>,
    /// AutoV3: the first 12 hexadecimal digits of the SHA-256 of the file behind its header; or AutoV2: the first 10 of the
    /// SHA-256 of the whole file. If it is given, a file with another hash is not used. A task and a record have AutoV3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(min = 10, max = 12)))]
    pub hash: Option<String>,
}

fn one() -> f64 {
    1.0
}

impl Lora {
    /// A LoRA with the same weight for the UNet and the text encoders, and any hash.
    pub fn new(name: impl Into<String>, weight: f64) -> Self {
        Self { name: name.into(), unet_weight: weight, text_weight: None, hash: None }
    }

    /// The weight for the text encoders.
    pub fn text_weight(&self) -> f64 {
        self.text_weight.unwrap_or(self.unet_weight)
    }

    fn error(&self) -> Option<String> {
        let chars = self.name.chars().count();
        if !(1..=limits::LORA_NAME_CHARS).contains(&chars) || self.name.contains(char::is_control) {
            let expected = limits::LORA_NAME_CHARS;
            return Some(format!("needs a name of 1 to {expected} characters, not \"{}\"", shortened(&self.name)));
        }
        let bounds = limits::LORA_WEIGHT;
        if let Some(weight) = [self.unet_weight, self.text_weight()].into_iter().find(|w| !bounds.contains(w)) {
            let (from, to, name) = (bounds.start(), bounds.end(), shortened(&self.name));
            return Some(format!("has the weight {weight} for {name}; it must be a number from {from} to {to}"));
        }
        let is_hash =
            |hash: &str| [10, 12].contains(&hash.len()) && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let hash = self.hash.as_deref().filter(|hash| !is_hash(hash))?;
        Some(format!("has the hash \"{}\"; it must be 10 or 12 hexadecimal digits in lower case", shortened(hash)))
    }
}

/// The LoRA files of a generation, in the order of the request. Their effects add up, so the order does not matter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Loras(pub Vec<Lora>);

impl Loras {
    /// Checks their number, names, weights and hashes. Returns the error message, or `None` if they are allowed.
    pub fn error(&self) -> Option<String> {
        if self.len() > limits::LORAS {
            return Some(format!("must be at most {} LoRA files, not {}", limits::LORAS, self.len()));
        }
        if let Some(error) = self.iter().find_map(Lora::error) {
            return Some(error);
        }
        let twice = self.iter().enumerate().find(|(i, lora)| self[..*i].iter().any(|other| other.name == lora.name));
        twice.map(|(_, lora)| format!("names \"{}\" twice", shortened(&lora.name)))
    }
}

impl Deref for Loras {
    type Target = [Lora];

    fn deref(&self) -> &[Lora] {
        &self.0
    }
}

impl fmt::Display for Loras {
    /// As JSON, so that any name can be read back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Loras {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() { Ok(Self::default()) } else { serde_json::from_str(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_back() {
        let loras = Loras(vec![
            Lora {
                text_weight: Some(0.5),
                hash: Some("0123456789ab".to_owned()),
                ..Lora::new("a \"quoted\", name", -0.25)
            },
            Lora::new("b", 1.0),
        ]);
        assert_eq!(loras.to_string().parse::<Loras>().expect("its own text"), loras);
        assert_eq!(Loras::default().to_string(), "");
        assert_eq!("".parse::<Loras>().expect("none"), Loras::default());
        assert!("a:1".parse::<Loras>().is_err());
    }

    #[test]
    fn a_weight_for_the_text_encoders_is_the_unets_by_default() {
        let loras: Loras =
            serde_json::from_str(r#"[{"name":"a"},{"name":"b","unet_weight":0.5},{"name":"c","text_weight":0}]"#)
                .expect("valid");
        let weights: Vec<_> = loras.iter().map(|lora| (lora.unet_weight, lora.text_weight())).collect();
        assert_eq!(weights, [(1.0, 1.0), (0.5, 0.5), (1.0, 0.0)]);
    }

    #[test]
    fn names_weights_and_hashes_have_limits() {
        let error = |lora: Lora| Loras(vec![lora]).error().unwrap_or_default();
        assert_eq!(error(Lora::new("a", 0.7)), "");
        assert_eq!(error(Lora::new("", 0.7)), "needs a name of 1 to 255 characters, not \"\"");
        assert_eq!(error(Lora::new("a", 21.0)), "has the weight 21 for a; it must be a number from -20 to 20");
        assert!(error(Lora::new("a", f64::NAN)).contains("has the weight NaN"));
        assert!(error(Lora { hash: Some("0123".to_owned()), ..Lora::new("a", 1.0) }).contains("12 hexadecimal digits"));
        let many = Loras((0..=limits::LORAS).map(|i| Lora::new(i.to_string(), 1.0)).collect());
        assert_eq!(many.error().as_deref(), Some("must be at most 32 LoRA files, not 33"));
        let twice = Loras(vec![Lora::new("a", 1.0), Lora::new("a", 0.5)]);
        assert_eq!(twice.error().as_deref(), Some("names \"a\" twice"));
    }
}
