//! Finds prompt syntax of AUTOMATIC1111's web UI and ComfyUI that Emberline does not support. A warning tells the user
//! how it is read instead.
//!
//! Definitions: A1111's `modules/extra_networks.py` (`<name:arguments>`), `modules/processing_scripts/comments.py`;
//! ComfyUI's `comfy/sd1_clip.py` (`embedding:name`). What is supported is in the crate `prompt`.

use crate::FieldError;
use ::prompt::{
    composition, in_word,
    networks::{Meaning, tags},
    words,
};

/// Maximum characters of a prompt quoted in a warning.
const QUOTED_CHARS: usize = 40;

/// The beginning of ComfyUI's name of an embedding.
const EMBEDDING: &str = "embedding:";

/// Prompt syntax that is not supported, or may not be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Syntax {
    Lora,
    LoraOfRank,
    Hypernetwork,
    OtherNetwork,
    Embedding,
    Wildcard,
    Comment,
    Weight,
}

impl Syntax {
    const ALL: [Self; 8] = [
        Self::Lora,
        Self::LoraOfRank,
        Self::Hypernetwork,
        Self::OtherNetwork,
        Self::Embedding,
        Self::Wildcard,
        Self::Comment,
        Self::Weight,
    ];

    fn message(self, is_negative: bool) -> &'static str {
        match (self, is_negative) {
            (Self::Lora, _) => "is read as words: LoRA files are named in the prompt, not in the negative prompt",
            (Self::LoraOfRank, _) => "is applied with all ranks: dyn is not supported",
            (Self::Hypernetwork, false) => "is left out: hypernetworks are not supported",
            (Self::Hypernetwork, true) => "is read as words: hypernetworks are not supported",
            (Self::OtherNetwork, false) => "is left out: extra networks are not supported",
            (Self::OtherNetwork, true) => "is read as words: extra networks are not supported",
            (Self::Embedding, _) => "is read as words: there is no embedding of this name",
            (Self::Wildcard, _) => "is read as words: the server has no folder of wildcards (--wildcards)",
            (Self::Comment, _) => "is read as words: comments are not supported",
            (Self::Weight, _) => "is the prompt's weight, because it is at its end; a full stop after it makes it text",
        }
    }
}

/// An occurrence of a syntax, as written in the prompt.
type Use<'a> = (Syntax, &'a str);

/// A warning for each kind of unsupported syntax in a generation's prompts, by field. Both prompts are in A1111's
/// syntax. `is_embedding` says whether the text after `embedding:` is the name of an embedding.
pub fn warnings(prompt: &str, negative_prompt: &str, is_embedding: &dyn Fn(&str) -> bool) -> Vec<FieldError> {
    let of = |field: &'static str, text: &str| {
        let is_negative = field == "negative_prompt";
        let mut uses = uses(text, is_negative);
        uses.retain(|(kind, written)| *kind != Syntax::Embedding || !is_embedding(&written[EMBEDDING.len()..]));
        let warnings = Syntax::ALL.into_iter().filter_map(|kind| {
            let mut of_kind = uses.iter().filter(|(found, _)| *found == kind);
            let (_, first) = of_kind.next()?;
            let more = match of_kind.count() {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            Some(FieldError::new(field, format!("`{}`{more} {}", quoted(first), kind.message(is_negative))))
        });
        warnings.collect::<Vec<_>>()
    };
    [of("prompt", prompt), of("negative_prompt", negative_prompt)].concat()
}

/// The number of `BREAK`s in a prompt.
pub fn breaks(prompt: &str) -> usize {
    words(prompt, "BREAK").count()
}

fn quoted(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn uses(prompt: &str, is_negative: bool) -> Vec<Use<'_>> {
    let tags = tags(prompt).into_iter().filter_map(|tag| {
        let kind = match tag.meaning() {
            Meaning::Hypernetwork => Syntax::Hypernetwork,
            Meaning::Other => Syntax::OtherNetwork,
            _ if is_negative => Syntax::Lora,
            Meaning::LoraOfRank(_) => Syntax::LoraOfRank,
            Meaning::Lora(_) | Meaning::Faulty(_) => return None,
        };
        Some((kind, tag.written))
    });
    let mut uses: Vec<Use<'_>> = tags.collect();
    uses.extend(embeddings(prompt));
    uses.extend(wildcards(prompt));
    uses.extend(comments(prompt));
    if !is_negative {
        uses.extend(last_weight(prompt));
    }
    uses
}

/// The number at the end of a prompt without `AND`, such as the `:30` of "at 12:30".
fn last_weight(prompt: &str) -> Option<Use<'_>> {
    match composition::parts(prompt)[..] {
        [only] if !only.written.is_empty() => Some((Syntax::Weight, only.written)),
        _ => None,
    }
}

/// ComfyUI's `embedding:name`.
fn embeddings(prompt: &str) -> impl Iterator<Item = Use<'_>> {
    prompt.match_indices(EMBEDDING).filter_map(move |(start, _)| {
        let name = &prompt[start + EMBEDDING.len()..];
        let length = name.find(|c| !in_word(c) && !matches!(c, '-' | '.' | '/' | '\\')).unwrap_or(name.len());
        let apart = !prompt[..start].ends_with(in_word);
        (apart && length > 0).then(|| (Syntax::Embedding, &prompt[start..start + EMBEDDING.len() + length]))
    })
}

/// `__name__`: a random line of a file.
fn wildcards(prompt: &str) -> impl Iterator<Item = Use<'_>> {
    prompt.match_indices("__").filter_map(move |(start, _)| {
        let inside = &prompt[start + 2..];
        let name = &inside[..inside.find("__")?];
        let fits =
            name.starts_with(char::is_alphanumeric) && name.chars().all(|c| in_word(c) || matches!(c, '-' | '/'));
        let apart = !prompt[..start].ends_with(in_word);
        (apart && fits).then(|| (Syntax::Wildcard, &prompt[start..start + name.len() + 4]))
    })
}

/// `# text` to the end of the line. In A1111 every `#` starts a comment; here `#1` and `#hashtag` are ordinary words.
fn comments(prompt: &str) -> impl Iterator<Item = Use<'_>> {
    prompt.lines().filter_map(|line| {
        let start = line.match_indices('#').map(|(at, _)| at).find(|&at| {
            let (before, after) = (&line[..at], &line[at + 1..]);
            before.trim().is_empty()
                || (before.ends_with(char::is_whitespace) && after.starts_with(char::is_whitespace))
        });
        start.map(|start| (Syntax::Comment, &line[start..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without embeddings.
    fn warnings(prompt: &str, negative_prompt: &str) -> Vec<FieldError> {
        super::warnings(prompt, negative_prompt, &|_| false)
    }

    fn found(prompt: &str) -> Vec<(Syntax, &str)> {
        uses(prompt, false)
    }

    #[test]
    fn networks_that_are_not_lora_files_are_found() {
        use Syntax::{Hypernetwork, Lora, LoraOfRank, OtherNetwork, Weight};
        for (prompt, expected) in [
            ("a cat <lora:detail:0.8>, (<lora:x:1>:1.2), <LyCO:y>", vec![]),
            ("<hypernet:anime:0.5>", vec![(Hypernetwork, "<hypernet:anime:0.5>")]),
            ("<lora:x:1:1:8> <lora:y:dyn=4>", vec![(LoraOfRank, "<lora:x:1:1:8>"), (LoraOfRank, "<lora:y:dyn=4>")]),
            ("<segm:x>", vec![(OtherNetwork, "<segm:x>")]),
            ("at 12:30", vec![(Weight, ":30")]),
            ("a cat : 1.2\n", vec![(Weight, ": 1.2")]),
            ("at 12:30. [a|b] [c:d:0.5] a:1.2 AND b:0.5", vec![]),
        ] {
            assert_eq!(found(prompt), expected, "{prompt}");
        }
        assert_eq!(uses("<lora:x:1> at 12:30", true), [(Lora, "<lora:x:1>")]);
    }

    #[test]
    fn the_other_kinds_are_found_and_their_lookalikes_are_not() {
        use Syntax::{Comment, Embedding, Wildcard};
        for (prompt, expected) in [
            (
                "embedding:easynegative, (embedding:bad-hands.pt:1.2)",
                vec![(Embedding, "embedding:easynegative"), (Embedding, "embedding:bad-hands.pt")],
            ),
            ("embedding: a guide, anembedding:x, embeddings", vec![]),
            ("__hair/color__ girl, a__b__c, ____, snake_case, __x", vec![(Wildcard, "__hair/color__")]),
            (
                "# note\na cat # later\n#1 artist, #hashtag, C#",
                vec![(Comment, "# note"), (Comment, "# later"), (Comment, "#1 artist, #hashtag, C#")],
            ),
            ("rank #1, a #hashtag, F# minor", vec![]),
            ("a BREAK b, (word:1.2), [word], 8k!!, it's 50% f/1.8", vec![]),
        ] {
            assert_eq!(found(prompt), expected, "{prompt}");
        }
    }

    #[test]
    fn each_kind_is_reported_once_at_its_field() {
        let told = warnings("<hypernet:a:1> <hypernet:b:1> __c__ x AND y", "a AND b, <lora:c:0.5>");
        let told: Vec<(&str, &str)> = told.iter().map(|w| (w.field.as_str(), w.message.as_str())).collect();
        let lora = "`<lora:c:0.5>` is read as words: LoRA files are named in the prompt, not in the negative prompt";
        assert_eq!(
            told,
            [
                ("prompt", "`<hypernet:a:1>` (and 1 more) is left out: hypernetworks are not supported"),
                ("prompt", "`__c__` is read as words: the server has no folder of wildcards (--wildcards)"),
                ("negative_prompt", lora),
            ]
        );
        assert_eq!(warnings("a red fox, (detailed:1.2)", "[blurry]"), []);
    }

    #[test]
    fn an_embedding_that_exists_is_no_warning() {
        let (prompt, negative) = ("embedding:cat, a dog", "(embedding:bad-hands:1.2) embedding:worse");
        let told = super::warnings(prompt, negative, &|name| ["cat", "bad-hands"].contains(&name));
        let told: Vec<(&str, &str)> = told.iter().map(|w| (w.field.as_str(), w.message.as_str())).collect();
        let worse = "`embedding:worse` is read as words: there is no embedding of this name";
        assert_eq!(told, [("negative_prompt", worse)]);
        assert_eq!(warnings(prompt, negative).len(), 2);
    }

    #[test]
    fn long_quotes_are_cut_and_any_text_is_taken() {
        let long = format!("<hypernet:{}:{}:0.5>", "龍\n".repeat(60), "x".repeat(60));
        let told = warnings(&long, "");
        assert!(told[0].message.chars().count() < 120, "{}", told[0].message);
        let deep = format!("{}a|b:0.5{}", "[(".repeat(2000), ")]".repeat(2000));
        _ = warnings(&deep, &"<{__#:|".repeat(1000));
    }

    #[test]
    fn breaks_are_counted_as_words() {
        assert_eq!(breaks("a BREAK b,BREAK,c (BREAK) BREAKFAST break"), 3);
    }
}
