//! LoRA files in records of other programs.

use crate::{
    hash::short_hash,
    record::{Reading, text},
};
use generation::{Lora, Loras};
use serde_json::Value;

/// Reason for an entry that cannot be read.
const UNREADABLE: &str = "is no LoRA file with a weight";

/// A LoRA file with the same weight for the UNet and the text encoders.
pub(crate) fn lora(name: &str, weight: f64) -> Lora {
    Lora::new(lora_name(name), weight)
}

/// The same with a weight for the text encoders.
pub(crate) fn lora_with(name: &str, unet_weight: f64, text_weight: f64) -> Lora {
    let text_weight = Some(text_weight).filter(|weight| *weight != unet_weight);
    Lora { text_weight, ..lora(name, unet_weight) }
}

/// A number, or a text that is one.
pub(crate) fn number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    number.filter(|number: &f64| number.is_finite())
}

/// A file's path inside its folder of models, without a weight file's extension.
fn lora_name(value: &str) -> String {
    let path = value.trim().replace('\\', "/");
    let is_weights = |ending: &str| {
        ["safetensors", "ckpt", "pt", "pth", "bin", "sft"].iter().any(|known| ending.eq_ignore_ascii_case(known))
    };
    match path.rsplit_once('.') {
        Some((stem, ending)) if is_weights(ending) => stem.to_owned(),
        _ => path,
    }
}

impl Reading {
    /// Adds a LoRA file. The weights of a file that occurs twice are added, as its effects are. One with weights of 0 has
    /// no effect. `entry` names it in the record if it cannot be applied.
    pub(crate) fn take_lora(&mut self, entry: &str, lora: Lora) {
        let is_nothing = lora.unet_weight == 0.0 && lora.text_weight() == 0.0;
        if is_nothing || lora.name.is_empty() || lora.name == "None" {
            return;
        }
        let name = lora.name.clone();
        let mut loras = self.record().settings.loras.clone().unwrap_or_default();
        match loras.0.iter_mut().find(|known| known.name == name) {
            Some(known) => {
                let weights = (known.unet_weight + lora.unet_weight, known.text_weight() + lora.text_weight());
                *known = Lora { hash: known.hash.take().or(lora.hash), ..lora_with(&name, weights.0, weights.1) };
            }
            None => loras.0.push(lora),
        }
        match loras.error() {
            Some(why) => self.note(entry, &name, why),
            None => self.record().settings.loras = Some(loras),
        }
    }

    /// Adds the LoRA files of a list. An entry that is none is noted.
    pub(crate) fn take_loras(&mut self, entry: &str, list: Option<&Value>, read: impl Fn(&Value) -> Option<Lora>) {
        for item in list.and_then(Value::as_array).into_iter().flatten() {
            match read(item) {
                Some(lora) => self.take_lora(entry, lora),
                None => self.note(entry, &text(item), UNREADABLE),
            }
        }
    }
}

/// The files of `name: weight, name: weight`, with those hashes of `name: hash, name: hash` that are AutoV3's or AutoV2's. `None`
/// unless all can be read.
pub(crate) fn listed(weights: &str, hashes: &str) -> Option<Loras> {
    let pairs = |list: &str| -> Vec<(String, String)> {
        let pairs = list.split(',').filter_map(|pair| pair.rsplit_once(':'));
        pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
    };
    let hashes = pairs(hashes);
    let count = weights.split(',').count();
    let loras = pairs(weights).into_iter().map(|(name, weight)| {
        let hash = hashes.iter().find(|(of, _)| *of == name).and_then(|(_, hash)| short_hash(hash));
        Some(Lora { hash, ..lora(&name, number(&Value::from(weight))?) })
    });
    let loras = Loras(loras.collect::<Option<Vec<_>>>()?);
    (loras.len() == count && loras.error().is_none()).then_some(loras)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_extension() {
        assert_eq!(lora_name(" style\\ink.v2.safetensors "), "style/ink.v2");
        assert_eq!(lora_name("ink.v2"), "ink.v2");
    }

    #[test]
    fn a_file_that_occurs_twice_has_both_weights() {
        let mut reading = Reading::of("a test");
        reading.take_lora("lora", lora("ink", 0.5));
        reading.take_lora("lora", lora_with("ink", 0.25, 1.0));
        reading.take_lora("lora", lora("off", 0.0));
        reading.take_lora("lora", lora("far", 30.0));
        let record = reading.finish(|_| "normal");
        assert_eq!(record.settings.loras, Some(Loras(vec![lora_with("ink", 0.75, 1.5)])));
        assert_eq!(record.not_applied[0].reason, "has the weight 30 for far; it must be a number from -20 to 20");
    }

    #[test]
    fn two_lists_are_joined_by_name() {
        let loras = listed("a: 0.5, b c: -1", "b c: 0123456789ab, a: 0123456789").expect("files");
        let with_hash = |lora: Lora, hash: &str| Lora { hash: Some(hash.to_owned()), ..lora };
        let expected = [with_hash(lora("a", 0.5), "0123456789"), with_hash(lora("b c", -1.0), "0123456789ab")];
        assert_eq!(loras.0, expected);
        assert_eq!(listed("a: much", ""), None);
        assert_eq!(listed("a: 1, b", ""), None);
    }
}
