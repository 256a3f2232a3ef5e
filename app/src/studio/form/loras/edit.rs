//! Changes to the LoRA files of the form, and to the prompt for them. Pure.

use ::prompt::networks::{Meaning, tags};
use generation::{Lora, Loras, limits};

/// Most trigger words that one button inserts. Metadata of a file can have hundreds.
pub const MAX_WORDS: usize = 8;

/// Which weight of a LoRA file a field shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The UNet's.
    Unet,
    /// The text encoders'.
    Text,
}

impl Part {
    /// The value of `data-part`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unet => "unet",
            Self::Text => "text",
        }
    }

    /// The part of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Unet, Self::Text].into_iter().find(|part| part.as_str() == name)
    }
}

/// The LoRA files in the text of the form's field; none if it cannot be read.
pub fn parse(text: &str) -> Loras {
    text.parse().unwrap_or_default()
}

/// The text with a LoRA file of weight 1 added. One that is in it already stays as it is.
pub fn with_lora(text: &str, name: &str) -> String {
    let mut loras = parse(text);
    if loras.iter().all(|lora| lora.name != name) {
        loras.0.push(Lora::new(name, 1.0));
    }
    loras.to_string()
}

/// The text with the LoRA file of a prompt's tag. One that is in it already stays as it is.
pub fn with_tag(text: &str, tag: &Lora) -> String {
    let mut loras = parse(text);
    if loras.iter().all(|lora| lora.name != tag.name) {
        loras.0.push(tag.clone());
    }
    loras.to_string()
}

/// The prompt without the tags of a LoRA file. Nothing else changes but spaces before a tag, which have no effect: the text
/// encoders get the same words.
pub fn without_tag(prompt: &str, name: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(prompt.len()), prompt);
    for tag in tags(prompt) {
        let is_its = matches!(tag.meaning(), Meaning::Lora(lora) | Meaning::LoraOfRank(lora) if lora.name == name);
        let Some((before, after)) = rest.split_once(tag.written).filter(|_| is_its) else { continue };
        text.push_str(before.trim_end_matches(' '));
        rest = after;
    }
    text + rest
}

/// The text without the LoRA file at this place.
pub fn without(text: &str, place: usize) -> String {
    let mut loras = parse(text);
    if place < loras.len() {
        loras.0.remove(place);
    }
    loras.to_string()
}

/// The text with another weight at this place. An empty weight of the text encoders is the UNet's. `None` if nothing
/// changes: the weight is not a number.
pub fn with_weight(text: &str, place: usize, part: Part, typed: &str) -> Option<String> {
    let mut loras = parse(text);
    let lora = loras.0.get_mut(place)?;
    let weight = typed.trim().parse().ok().filter(|weight: &f64| weight.is_finite());
    match (part, weight) {
        (Part::Unet, Some(weight)) => lora.unet_weight = weight,
        (Part::Text, Some(weight)) => lora.text_weight = Some(weight),
        (Part::Text, None) if typed.trim().is_empty() => lora.text_weight = None,
        _ => return None,
    }
    Some(loras.to_string())
}

/// The weight that a number field shows; empty for text encoders with the UNet's weight.
pub fn weight(lora: &Lora, part: Part) -> String {
    match part {
        Part::Unet => lora.unet_weight.to_string(),
        Part::Text => lora.text_weight.map(|weight| weight.to_string()).unwrap_or_default(),
    }
}

/// A typed weight within its limits.
pub fn within_limits(typed: &str) -> Option<String> {
    let bounds = limits::LORA_WEIGHT;
    let weight: f64 = typed.trim().parse().ok().filter(|weight: &f64| weight.is_finite())?;
    Some(weight.clamp(*bounds.start(), *bounds.end()).to_string())
}

/// The prompt with trigger words at its end. Words that it has already are not repeated.
pub fn with_words(prompt: &str, words: &[String]) -> String {
    let has = prompt.to_lowercase();
    let missing = words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()).take(MAX_WORDS);
    let missing: Vec<&str> = missing.filter(|word| !has.contains(&word.to_lowercase())).collect();
    let before = prompt.trim_end().trim_end_matches(',');
    match (missing.is_empty(), before.is_empty()) {
        (true, _) => prompt.to_owned(),
        (false, true) => missing.join(", "),
        (false, false) => format!("{before}, {}", missing.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_file_is_added_once_and_removed() {
        let text = with_lora(&with_lora("", "ink"), "a \"b\", c");
        assert_eq!(with_lora(&text, "ink"), text);
        let names = |text: &str| parse(text).iter().map(|lora| lora.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&text), ["ink", "a \"b\", c"]);
        assert_eq!(names(&without(&text, 0)), ["a \"b\", c"]);
        assert_eq!(without(&text, 7), text);
        assert_eq!(without(&without(&text, 0), 0), "");
        assert_eq!(names(&with_lora("garbage", "ink")), ["ink"]);
    }

    #[test]
    fn weights_are_typed_and_the_text_encoders_can_have_the_unets() {
        let text = with_lora("", "ink");
        let typed = |text: &str, part, weight: &str| with_weight(text, 0, part, weight);
        let text = typed(&text, Part::Unet, "0.70").expect("a number");
        let text = typed(&text, Part::Text, " -0.25 ").expect("a number");
        assert_eq!(text, r#"[{"name":"ink","unet_weight":0.7,"text_weight":-0.25}]"#);
        for bad in ["", "-", "many", "NaN", "inf"] {
            assert_eq!(typed(&text, Part::Unet, bad), None, "{bad}");
        }
        let same = typed(&text, Part::Text, "").expect("the UNet's");
        assert_eq!(
            (weight(&parse(&same)[0], Part::Text), weight(&parse(&same)[0], Part::Unet)),
            ("".into(), "0.7".into())
        );
        assert_eq!(with_weight(&text, 1, Part::Unet, "1"), None);
        assert_eq!(
            [within_limits("30"), within_limits("-20.5"), within_limits("1.5"), within_limits("x")],
            [Some("20".to_owned()), Some("-20".to_owned()), Some("1.5".to_owned()), None]
        );
    }

    #[test]
    fn a_tag_moves_into_the_list() {
        let prompt = "a cat <lora:ink:0.5>, <lora:b>night <lora:ink:1:0.25>";
        assert_eq!(without_tag(prompt, "ink"), "a cat, <lora:b>night");
        assert_eq!(without_tag(prompt, "b"), "a cat <lora:ink:0.5>,night <lora:ink:1:0.25>");
        assert_eq!(without_tag("<lora:ink:1>", "ink"), "");
        assert_eq!(without_tag("a <lora:ink:x> <b:ink>", "ink"), "a <lora:ink:x> <b:ink>");
        let tag = Lora { text_weight: Some(0.5), ..Lora::new("ink", 0.25) };
        let text = with_tag("", &tag);
        assert_eq!(parse(&text).0, vec![tag.clone()]);
        assert_eq!(with_tag(&text, &Lora::new("ink", 2.0)), text);
    }

    #[test]
    fn trigger_words_that_are_missing_are_added_once() {
        assert_eq!(with_words("", &words(&["ink", "brush"])), "ink, brush");
        assert_eq!(with_words("a Cat in INK, ", &words(&["ink", " brush "])), "a Cat in INK, brush");
        assert_eq!(with_words("a cat", &words(&["", "cat"])), "a cat");
        let many = words(&["a1", "b2", "c3", "d4", "e5", "f6", "g7", "h8", "i9"]);
        assert_eq!(with_words("", &many).split(", ").count(), MAX_WORDS);
    }
}
