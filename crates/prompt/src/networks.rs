//! Tags of LoRA files in a prompt: `<lora:name:te:unet:dyn>`.
//!
//! `te` is the weight for the text encoders, by default 1; `unet` is the UNet's, by default `te`. Both can be named:
//! `<lora:name:te=0.5:unet=0.8>`. `lyco` means `lora`. Sources: A1111's `modules/extra_networks.py` and
//! `extensions-builtin/Lora/extra_networks_lora.py`.

use crate::{PromptSyntax, words::in_word};
use generation::{Lora, Loras};

/// A tag, as the regular expression `<(\w+):([^>]+)>` finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// The whole tag.
    pub written: &'a str,
    /// What comes before the first colon.
    pub kind: &'a str,
    /// What comes after it, without the `>`.
    pub arguments: &'a str,
}

/// What a tag asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// A LoRA file with its weights.
    Lora(Lora),
    /// A LoRA file of which only the first ranks are to be used (`dyn`). That is not supported; the file is used whole.
    LoraOfRank(Lora),
    /// A LoRA tag that cannot be read, with the reason.
    Faulty(String),
    /// A hypernetwork.
    Hypernetwork,
    /// Something else, from an extension of A1111.
    Other,
}

/// The tags of a prompt, in order.
pub fn tags(prompt: &str) -> Vec<Tag<'_>> {
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(start) = prompt[from..].find('<').map(|at| from + at) {
        let inside = &prompt[start + 1..];
        let kind = &inside[..inside.find(|c| !in_word(c)).unwrap_or(inside.len())];
        from = start + 1 + kind.len();
        let Some(rest) = prompt[from..].strip_prefix(':').filter(|_| !kind.is_empty()) else { continue };
        // Without a `>` there is no further tag; continuing would take quadratic time.
        let Some(length) = rest.find('>') else { break };
        if length > 0 {
            from += 1 + length + 1;
            found.push(Tag { written: &prompt[start..from], kind, arguments: &rest[..length] });
        }
    }
    found
}

/// The prompt without its tags.
pub fn without_tags(prompt: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(prompt.len()), prompt);
    for tag in tags(prompt) {
        if let Some((before, after)) = rest.split_once(tag.written) {
            text.push_str(before);
            rest = after;
        }
    }
    text + rest
}

/// The prompt without its tags, and the LoRA files that they name, each once: the weights of a file that is named
/// several times are added. Tags are text in [`PromptSyntax::Plain`]. Tags that cannot be read are left out; see
/// [`Tag::meaning`].
pub fn networks(prompt: &str, syntax: PromptSyntax) -> (String, Vec<Lora>) {
    if syntax == PromptSyntax::Plain {
        return (prompt.to_owned(), Vec::new());
    }
    let mut loras = Vec::new();
    for tag in tags(prompt) {
        if let Meaning::Lora(lora) | Meaning::LoraOfRank(lora) = tag.meaning() {
            add(&mut loras, lora);
        }
    }
    (without_tags(prompt), loras)
}

/// The LoRA files of a generation: those of the field `loras`, and those that only the prompt names. For a file in both
/// the field counts: records contain both.
pub fn all_loras(field: Loras, tagged: Vec<Lora>) -> Loras {
    let Loras(mut loras) = field;
    let named: Vec<String> = loras.iter().map(|lora| lora.name.clone()).collect();
    loras.extend(tagged.into_iter().filter(|tag| !named.contains(&tag.name)));
    Loras(loras)
}

/// The error of the first LoRA tag of a prompt that cannot be read.
pub fn faulty_tag(prompt: &str) -> Option<String> {
    tags(prompt).iter().find_map(|tag| match tag.meaning() {
        Meaning::Faulty(message) => Some(message),
        _ => None,
    })
}

fn add(loras: &mut Vec<Lora>, more: Lora) {
    match loras.iter_mut().find(|lora| lora.name == more.name) {
        None => loras.push(more),
        Some(lora) => {
            let (unet, text) = (lora.unet_weight + more.unet_weight, lora.text_weight() + more.text_weight());
            lora.unet_weight = unet;
            lora.text_weight = (text != unet).then_some(text);
        }
    }
}

impl Tag<'_> {
    /// What the tag asks for.
    pub fn meaning(&self) -> Meaning {
        match self.kind.to_ascii_lowercase().as_str() {
            "lora" | "lyco" => self.lora(),
            "hypernet" => Meaning::Hypernetwork,
            _ => Meaning::Other,
        }
    }

    fn lora(&self) -> Meaning {
        let (mut positional, mut te, mut unet, mut rank) = (Vec::new(), None, None, None);
        for item in self.arguments.split(':') {
            match item.split_once('=') {
                Some(("te", value)) => te = Some(value),
                Some(("unet", value)) => unet = Some(value),
                Some(("dyn", value)) => rank = Some(value),
                // A name may contain "=".
                _ => positional.push(item),
            }
        }
        let mut positional = positional.into_iter();
        let name = positional.next().unwrap_or_default().trim();
        let [te_at, unet_at, rank_at] = [positional.next(), positional.next(), positional.next()];
        let number = |text: &str| {
            text.trim()
                .parse::<f64>()
                .map_err(|_| format!("`{}` has the weight \"{text}\", not a number", self.written))
        };
        let weights = || {
            let te = te.or(te_at).map_or(Ok(1.0), number)?;
            Ok((te, unet.or(unet_at).map_or(Ok(te), number)?))
        };
        let (te, unet) = match weights() {
            Ok(weights) => weights,
            Err(message) => return Meaning::Faulty(message),
        };
        let lora = Lora { text_weight: (te != unet).then_some(te), ..Lora::new(name, unet) };
        if let Some(error) = Loras(vec![lora.clone()]).error() {
            return Meaning::Faulty(format!("`{}` {error}", self.written));
        }
        match rank.or(rank_at) {
            None => Meaning::Lora(lora),
            Some(_) => Meaning::LoraOfRank(lora),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_cut_out_wherever_they_are() {
        let cut = |prompt| networks(prompt, PromptSyntax::A1111).0;
        assert_eq!(cut("a (cat <lora:x:1>:1.2) <lora:y:1>, <a:b>"), "a (cat :1.2) , ");
        assert_eq!(
            cut("<lora:> <:x> <lora x> <b>bold</b> 1 < 2 : 3 > 2 <lora:x"),
            "<lora:> <:x> <lora x> <b>bold</b> 1 < 2 : 3 > 2 <lora:x"
        );
        let plain = networks("<lora:x:1> a", PromptSyntax::Plain);
        assert_eq!(plain, ("<lora:x:1> a".to_owned(), vec![]));
    }

    #[test]
    fn weights_of_one_file_are_added_and_the_field_counts_before_the_prompt() {
        let weights = |loras: &[Lora]| -> Vec<_> {
            loras.iter().map(|l| (l.name.clone(), l.unet_weight, l.text_weight())).collect()
        };
        let named = |name: &str, unet, text| (name.to_owned(), unet, text);
        let tagged = networks("<lora:a:0.25> <lora:c> <lora:a:0.5:-0.75>", PromptSyntax::A1111).1;
        assert_eq!(weights(&tagged), [named("a", -0.5, 0.75), named("c", 1.0, 1.0)]);
        let all = all_loras(Loras(vec![Lora::new("a", 0.5), Lora::new("b", 1.0)]), tagged);
        assert_eq!(weights(&all), [named("a", 0.5, 0.5), named("b", 1.0, 1.0), named("c", 1.0, 1.0)]);
    }

    #[test]
    fn faulty_tags_tell_what_is_wrong() {
        let faulty = |prompt: &str| match tags(prompt)[0].meaning() {
            Meaning::Faulty(message) => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(faulty("<lora:x:strong>"), "`<lora:x:strong>` has the weight \"strong\", not a number");
        assert!(faulty("<lora:x:21>").contains("must be a number from -20 to 20"));
        assert!(faulty("<lora:x:nan>").contains("NaN"));
        assert!(faulty("<lora: >").contains("needs a name"));
        assert!(faulty("<lora:te=1>").contains("needs a name"));
        assert!(matches!(tags("<lora:x:1:1:8>")[0].meaning(), Meaning::LoraOfRank(_)));
    }
}
