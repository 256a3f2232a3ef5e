//! Finds prompt syntax of AUTOMATIC1111's web UI and ComfyUI that Emberline does not support. A warning tells the user
//! that it is read as ordinary words.
//!
//! Definitions: A1111's `modules/prompt_parser.py` (editing, alternation, `AND`), `modules/extra_networks.py`
//! (`<name:arguments>`), `modules/processing_scripts/comments.py`; ComfyUI's `comfy/sd1_clip.py` (`embedding:name`).

use crate::FieldError;

/// Maximum characters of a prompt quoted in a warning.
const QUOTED_CHARS: usize = 40;

/// Unsupported kinds of prompt syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Syntax {
    Lora,
    Hypernetwork,
    OtherNetwork,
    Editing,
    Alternation,
    Composition,
    Embedding,
    Choice,
    Wildcard,
    Comment,
}

impl Syntax {
    const ALL: [Self; 10] = [
        Self::Lora,
        Self::Hypernetwork,
        Self::OtherNetwork,
        Self::Editing,
        Self::Alternation,
        Self::Composition,
        Self::Embedding,
        Self::Choice,
        Self::Wildcard,
        Self::Comment,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Lora => "LoRA files are",
            Self::Hypernetwork => "hypernetworks are",
            Self::OtherNetwork => "extra networks are",
            Self::Editing => "prompt editing is",
            Self::Alternation => "alternating words are",
            Self::Composition => "combining prompts with AND is",
            Self::Embedding => "embeddings (textual inversion) are",
            Self::Choice => "random choices are",
            Self::Wildcard => "wildcards are",
            Self::Comment => "comments are",
        }
    }
}

/// An occurrence of a syntax, as written in the prompt.
type Use<'a> = (Syntax, &'a str);

/// A warning for each kind of unsupported syntax in a generation's prompts, by field. Both prompts are in A1111's
/// syntax.
pub fn warnings(prompt: &str, negative_prompt: &str) -> Vec<FieldError> {
    let of = |field: &'static str, text: &str| {
        let uses = uses(text);
        // A1111 does not split negative prompts at AND.
        let kinds = Syntax::ALL.into_iter().filter(|kind| field == "prompt" || *kind != Syntax::Composition);
        let warnings = kinds.filter_map(|kind| {
            let mut of_kind = uses.iter().filter(|(found, _)| *found == kind);
            let (_, first) = of_kind.next()?;
            let more = match of_kind.count() {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            Some(FieldError::new(
                field,
                format!("`{}`{more} is read as words: {} not supported", quoted(first), kind.name()),
            ))
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

fn uses(prompt: &str) -> Vec<Use<'_>> {
    let mut uses = networks(prompt);
    uses.extend(bracketed(prompt));
    uses.extend(words(prompt, "AND").map(|word| (Syntax::Composition, word)));
    uses.extend(embeddings(prompt));
    uses.extend(choices(prompt));
    uses.extend(wildcards(prompt));
    uses.extend(comments(prompt));
    uses
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The regular expression `<(\w+):([^>]+)>`.
fn networks(prompt: &str) -> Vec<Use<'_>> {
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(start) = prompt[from..].find('<').map(|at| from + at) {
        let inside = &prompt[start + 1..];
        let name = &inside[..inside.find(|c| !in_word(c)).unwrap_or(inside.len())];
        from = start + 1 + name.len();
        let Some(arguments) = prompt[from..].strip_prefix(':').filter(|_| !name.is_empty()) else { continue };
        // Without a `>` there is no further match; continuing would take quadratic time.
        let Some(length) = arguments.find('>') else { break };
        if length > 0 {
            from += 1 + length + 1;
            found.push((network(name), &prompt[start..from]));
        }
    }
    found
}

fn network(name: &str) -> Syntax {
    match name.to_ascii_lowercase().as_str() {
        "lora" | "lyco" => Syntax::Lora,
        "hypernet" => Syntax::Hypernetwork,
        _ => Syntax::OtherNetwork,
    }
}

/// An open bracket.
struct Open {
    bracket: char,
    start: usize,
    /// Positions of the colons directly inside.
    colons: Vec<usize>,
    /// Whether a `|` is directly inside.
    alternates: bool,
}

/// `[from:to:when]`, `[to:when]`, `[from::when]` and `[a|b]`. `[a]` alone means less emphasis.
fn bracketed(prompt: &str) -> Vec<Use<'_>> {
    let (mut found, mut open) = (Vec::new(), Vec::<Open>::new());
    let mut escaped = false;
    for (at, c) in prompt.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match (c, open.last_mut()) {
            ('\\', _) => escaped = true,
            ('(' | '[', _) => open.push(Open { bracket: c, start: at, colons: Vec::new(), alternates: false }),
            (':', Some(inside)) => inside.colons.push(at),
            ('|', Some(inside)) => inside.alternates = true,
            (')' | ']', _) => {
                let opening = if c == ')' { '(' } else { '[' };
                // The grammar does not match a bracket that contains an unbalanced one: all of them are text.
                let Some(inside) = open.pop_if(|inside| inside.bracket == opening) else {
                    open.clear();
                    continue;
                };
                let kind = match c {
                    ')' => None,
                    _ if inside.alternates => Some(Syntax::Alternation),
                    _ => is_scheduled(prompt, &inside, at).then_some(Syntax::Editing),
                };
                found.extend(kind.map(|kind| (kind, &prompt[inside.start..=at])));
            }
            _ => {}
        }
    }
    found
}

/// Whether the bracket that closes at `end` ends with `:` and a number, and is not a time or ratio such as
/// `[at 10:30]`.
fn is_scheduled(prompt: &str, inside: &Open, end: usize) -> bool {
    let Some(&last) = inside.colons.last().filter(|_| inside.colons.len() <= 2) else { return false };
    is_number(prompt[last + 1..end].trim()) && !is_clock(&prompt[inside.start + 1..end])
}

/// SIGNED_NUMBER of the Python parser lark.
fn is_number(text: &str) -> bool {
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    text.chars().all(numeric) && text.parse::<f64>().is_ok()
}

/// Whether the text ends with groups of one or two digits separated by colons: `10:30`, `16:9`, `1:02:03`.
fn is_clock(text: &str) -> bool {
    let text = text.trim_end();
    let start = text.trim_end_matches(|c: char| c.is_ascii_digit() || c == ':').len();
    let groups: Vec<&str> = text[start..].split(':').collect();
    let apart = !text[..start].ends_with(|c| in_word(c) || c == '.');
    apart && (2..=3).contains(&groups.len()) && groups.iter().all(|group| (1..=2).contains(&group.len()))
}

/// Occurrences of a separate word: the regular expression `\bword\b`.
fn words<'a>(prompt: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    prompt.match_indices(word).filter_map(move |(start, found)| {
        let (before, after) = (&prompt[..start], &prompt[start + word.len()..]);
        (!before.ends_with(in_word) && !after.starts_with(in_word)).then_some(found)
    })
}

/// ComfyUI's `embedding:name`.
fn embeddings(prompt: &str) -> impl Iterator<Item = Use<'_>> {
    const START: &str = "embedding:";
    prompt.match_indices(START).filter_map(move |(start, _)| {
        let name = &prompt[start + START.len()..];
        let length = name.find(|c| !in_word(c) && !matches!(c, '-' | '.' | '/' | '\\')).unwrap_or(name.len());
        let apart = !prompt[..start].ends_with(in_word);
        (apart && length > 0).then(|| (Syntax::Embedding, &prompt[start..start + START.len() + length]))
    })
}

/// `{a|b}`: a random choice, made by ComfyUI's page or an extension of A1111.
fn choices(prompt: &str) -> impl Iterator<Item = Use<'_>> {
    prompt.match_indices('{').filter_map(move |(start, _)| {
        let inside = &prompt[start + 1..];
        let inside = &inside[..inside.find(['{', '}'])?];
        let closed = prompt[start + 1 + inside.len()..].starts_with('}');
        (closed && inside.contains('|')).then(|| (Syntax::Choice, &prompt[start..start + inside.len() + 2]))
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

    fn found(prompt: &str) -> Vec<(Syntax, &str)> {
        uses(prompt)
    }

    #[test]
    fn networks_are_found_as_the_regular_expression_of_a1111_does() {
        use Syntax::{Hypernetwork, Lora, OtherNetwork};
        for (prompt, expected) in [
            ("a cat <lora:detail:0.8>", vec![(Lora, "<lora:detail:0.8>")]),
            ("(<lora:x:1>:1.2), <LyCO:y>", vec![(Lora, "<lora:x:1>"), (Lora, "<LyCO:y>")]),
            ("<hypernet:anime:0.5>", vec![(Hypernetwork, "<hypernet:anime:0.5>")]),
            ("<lora:two words:te=1:unet=0.5> cat", vec![(Lora, "<lora:two words:te=1:unet=0.5>")]),
            ("<segm:x>", vec![(OtherNetwork, "<segm:x>")]),
            ("<lora:> <:x> <lora x> < lora:x> <b>bold</b> 1 < 2 : 3 > 2 <lora:x", vec![]),
        ] {
            assert_eq!(found(prompt), expected, "{prompt}");
        }
    }

    /// The docstring of A1111's `get_learned_conditioning_prompt_schedules`, and edge cases of its grammar.
    #[test]
    fn editing_and_alternation_are_found_as_a1111_s_grammar_does() {
        use Syntax::{Alternation, Editing};
        for (prompt, expected) in [
            ("test", vec![]),
            ("a [b:3]", vec![(Editing, "[b:3]")]),
            ("a [b: 3]", vec![(Editing, "[b: 3]")]),
            ("a [[[b]]:2]", vec![(Editing, "[[[b]]:2]")]),
            ("[(a:2):3]", vec![(Editing, "[(a:2):3]")]),
            ("a [b : c : 1] d", vec![(Editing, "[b : c : 1]")]),
            ("a[b:[c:d:2]:1]e", vec![(Editing, "[c:d:2]"), (Editing, "[b:[c:d:2]:1]")]),
            ("a [unbalanced", vec![]),
            ("a [b:.5] c", vec![(Editing, "[b:.5]")]),
            ("((a][:b:c [d:3]", vec![(Editing, "[d:3]")]),
            ("[a|(b:1.1)]", vec![(Alternation, "[a|(b:1.1)]")]),
            ("[cat|dog|fox] in a hat", vec![(Alternation, "[cat|dog|fox]")]),
            (
                "[mountain:lake:0.25][ in foreground::0.6]",
                vec![(Editing, "[mountain:lake:0.25]"), (Editing, "[ in foreground::0.6]")],
            ),
            (
                "[::5] [:0.5] [a:1e1] [a:-1] [a:+2.]",
                vec![
                    (Editing, "[::5]"),
                    (Editing, "[:0.5]"),
                    (Editing, "[a:1e1]"),
                    (Editing, "[a:-1]"),
                    (Editing, "[a:+2.]"),
                ],
            ),
            (r"\[a:b:0.5\] \[a|b\] [a\:0.5] [a\|b]", vec![]),
            // Emphasis, and text that the grammar does not match.
            ("[less] [[much less]] (more) (more:1.3) [(word:1.3)]", vec![]),
            ("[a:b] [a:b:c] [a:b:c:5] [a: b c] (a:b:0.5) (a|b) a|b a:b:0.5 [a:x5] [a:]", vec![]),
            ("[a (b:0.5] c)", vec![]),
        ] {
            assert_eq!(found(prompt), expected, "{prompt}");
        }
    }

    #[test]
    fn times_and_ratios_are_words() {
        for prompt in ["[10:30]", "[a clock at 10:30]", "[16:9]", "[format 4:3 ]", "[1:02:03]", "at 10:30, [less]"] {
            assert_eq!(found(prompt), [], "{prompt}");
        }
        for prompt in ["[cat:dog:10]", "[1girl:5]", "[cat 2:0.5]", "[10:30:0.5]", "[a:10:30]", "[10: 30]", "[2024:10]"]
        {
            assert_eq!(found(prompt), [(Syntax::Editing, prompt)], "{prompt}");
        }
    }

    #[test]
    fn the_other_kinds_are_found_and_their_lookalikes_are_not() {
        use Syntax::{Choice, Comment, Composition, Embedding, Wildcard};
        for (prompt, expected) in [
            ("a cat AND a dog", vec![(Composition, "AND")]),
            ("a cat AND\na dog :0.5 AND fox", vec![(Composition, "AND"), (Composition, "AND")]),
            ("BAND, ANDROID, _AND_, and, And, AND1", vec![]),
            (
                "embedding:easynegative, (embedding:bad-hands.pt:1.2)",
                vec![(Embedding, "embedding:easynegative"), (Embedding, "embedding:bad-hands.pt")],
            ),
            ("embedding: a guide, anembedding:x, embeddings", vec![]),
            ("{red|blue} car, {a}, {, }|{", vec![(Choice, "{red|blue}")]),
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
    fn each_kind_is_told_once_at_its_field() {
        let told = warnings("<lora:a:1> <lora:b:1> [a|b] x AND y", "a AND b, [c:0.5]");
        let told: Vec<(&str, &str)> = told.iter().map(|w| (w.field.as_str(), w.message.as_str())).collect();
        assert_eq!(
            told,
            [
                ("prompt", "`<lora:a:1>` (and 1 more) is read as words: LoRA files are not supported"),
                ("prompt", "`[a|b]` is read as words: alternating words are not supported"),
                ("prompt", "`AND` is read as words: combining prompts with AND is not supported"),
                ("negative_prompt", "`[c:0.5]` is read as words: prompt editing is not supported"),
            ]
        );
        assert_eq!(warnings("a red fox, (detailed:1.2)", "[blurry]"), []);
    }

    #[test]
    fn long_quotes_are_cut_and_any_text_is_taken() {
        let long = format!("[{}:{}:0.5]", "龍\n".repeat(60), "x".repeat(60));
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
