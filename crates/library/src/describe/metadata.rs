//! What a file's free-form metadata says.

use crate::Facts;
use checkpoint::trained_tags;
use generation::Distillation;
use std::collections::BTreeMap;

/// Maximum length of a text from a header, in characters.
const TEXT_CHARS: usize = 200;

/// Maximum number of trigger words.
const WORDS: usize = 16;

/// The facts with those of the metadata.
pub(super) fn with_metadata(facts: Facts, stem: &str, metadata: &BTreeMap<String, String>) -> Facts {
    let text = |keys: &[&str]| {
        let found = keys.iter().find_map(|key| metadata.get(*key));
        found.map(|text| one_line(text)).filter(|text| !text.is_empty() && text != "None")
    };
    Facts {
        title: text(&["modelspec.title"]),
        author: text(&["modelspec.author"]),
        base: text(&["ss_sd_model_name", "ss_base_model_version"]),
        alias: text(&["ss_output_name"]),
        trigger_words: trigger_words(metadata),
        distillation: Distillation::detect(stem, metadata).map(|it| it.as_str().to_owned()),
        ..facts
    }
}

/// The words in `modelspec.trigger_phrase`, otherwise the most frequent tags of the training captions.
fn trigger_words(metadata: &BTreeMap<String, String>) -> Vec<String> {
    if let Some(phrase) = metadata.get("modelspec.trigger_phrase").filter(|phrase| !phrase.trim().is_empty()) {
        return phrase.split(',').map(one_line).filter(|word| !word.is_empty()).take(WORDS).collect();
    }
    let tags = trained_tags(metadata).into_iter().map(|(tag, _)| one_line(&tag));
    tags.filter(|tag| !tag.is_empty()).take(WORDS).collect()
}

/// The text without line breaks and control characters, shortened.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(TEXT_CHARS).collect()
}
