//! Emphasis and chunk breaks in prompts, in the syntax of AUTOMATIC1111's web UI.
//!
//! - `(word)` has weight 1.1, `((word))` 1.21, `[word]` 1 / 1.1.
//! - `(word:1.3)` has weight 1.3.
//! - `\(`, `\)`, `\[`, `\]` and `\\` are literal characters.
//! - `BREAK`, as a separate word in upper case, ends the chunk; the space around it is dropped.
//! - A bracket that is never closed is closed at the end of the prompt. An unmatched closing bracket is text.
//!
//! One difference: inside brackets, the web UI reads `BREAK` as the word "BREAK" with a negative weight, because it
//! marks a chunk's end with the weight -1 and then multiplies that by the brackets' weight. Here `BREAK` ends the chunk
//! everywhere.

use crate::{PromptSyntax, words::words};

/// A part of a prompt with one weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The text, without brackets and escapes.
    pub text: String,
    /// The factor for the text's embeddings.
    pub weight: f32,
    /// Whether it starts a new chunk, after a `BREAK`.
    pub starts_chunk: bool,
}

impl Segment {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), weight: 1.0, starts_chunk: false }
    }
}

const BREAK: &str = "BREAK";
const ROUND: f32 = 1.1;
const SQUARE: f32 = 1.0 / 1.1;
/// The weights of more than 900 nested brackets overflow. No usable picture has weights above this limit.
const MAX_WEIGHT: f32 = 100.0;

/// Splits a prompt into segments of one weight each. Neighbouring segments of equal weight in one chunk are joined. A
/// prompt without text returns one empty segment.
pub fn parse(prompt: &str, syntax: PromptSyntax) -> Vec<Segment> {
    match syntax {
        PromptSyntax::Plain => vec![Segment::new(prompt)],
        PromptSyntax::A1111 => Parser::default().run(prompt),
    }
}

#[derive(Default)]
struct Parser {
    segments: Vec<Segment>,
    /// Index of the first segment inside each open bracket.
    round: Vec<usize>,
    square: Vec<usize>,
}

impl Parser {
    fn run(mut self, prompt: &str) -> Vec<Segment> {
        let mut rest = prompt;
        while let Some(c) = rest.chars().next() {
            let mut used = c.len_utf8();
            match c {
                // A single backslash is dropped, as in the web UI.
                '\\' => {
                    if let Some(escaped @ ('(' | ')' | '[' | ']' | '\\')) = rest[1..].chars().next() {
                        self.push(&rest[1..1 + escaped.len_utf8()]);
                        used = 2;
                    }
                }
                '(' => self.round.push(self.segments.len()),
                '[' => self.square.push(self.segments.len()),
                ':' => match closing_weight(rest).filter(|_| !self.round.is_empty()) {
                    Some((weight, length)) => {
                        if let Some(start) = self.round.pop() {
                            self.multiply(start, weight);
                        }
                        used = length;
                    }
                    None => self.push(":"),
                },
                ')' => match self.round.pop() {
                    Some(start) => self.multiply(start, ROUND),
                    None => self.push(")"),
                },
                ']' => match self.square.pop() {
                    Some(start) => self.multiply(start, SQUARE),
                    None => self.push("]"),
                },
                _ => {
                    used = rest.find(['\\', '(', ')', '[', ']', ':']).unwrap_or(rest.len());
                    self.push_with_breaks(&rest[..used]);
                }
            }
            rest = &rest[used..];
        }
        for start in std::mem::take(&mut self.round) {
            self.multiply(start, ROUND);
        }
        for start in std::mem::take(&mut self.square) {
            self.multiply(start, SQUARE);
        }
        self.joined()
    }

    fn push(&mut self, text: &str) {
        self.segments.push(Segment::new(text));
    }

    /// Splits the text at the regular expression `\s*\bBREAK\b\s*`.
    fn push_with_breaks(&mut self, mut text: &str) {
        let mut starts_chunk = false;
        while let Some(start) = words(text, BREAK).next() {
            let (before, after) = (&text[..start], &text[start + BREAK.len()..]);
            self.segments.push(Segment { starts_chunk, ..Segment::new(before.trim_end()) });
            (text, starts_chunk) = (after.trim_start(), true);
        }
        self.segments.push(Segment { starts_chunk, ..Segment::new(text) });
    }

    fn multiply(&mut self, start: usize, factor: f32) {
        for segment in &mut self.segments[start..] {
            segment.weight = (segment.weight * factor).clamp(-MAX_WEIGHT, MAX_WEIGHT);
        }
    }

    fn joined(self) -> Vec<Segment> {
        let mut joined: Vec<Segment> = Vec::new();
        for segment in self.segments {
            match joined.last_mut() {
                Some(last) if last.weight == segment.weight && !segment.starts_chunk => {
                    last.text.push_str(&segment.text)
                }
                _ => joined.push(segment),
            }
        }
        if joined.is_empty() {
            joined.push(Segment::new(""));
        }
        joined
    }
}

/// Parses `:1.3)` at the start of `rest`. Returns the weight and its length in bytes. As in the web UI, only digits, a
/// point and a sign are allowed; anything else is text.
fn closing_weight(rest: &str) -> Option<(f32, usize)> {
    let end = rest.find(')')?;
    let number = rest.get(1..end)?.trim();
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    number.parse().ok().map(|weight: f32| (weight.clamp(-MAX_WEIGHT, MAX_WEIGHT), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(prompt: &str) -> Vec<(String, f32)> {
        parse(prompt, PromptSyntax::A1111).into_iter().map(|s| (s.text, (s.weight * 1e4).round() / 1e4)).collect()
    }

    /// The examples in the docstring of A1111's `parse_prompt_attention`, and edge cases of its grammar.
    #[test]
    fn emphasis_is_read_as_there() {
        let cases: &[(&str, &[(&str, f32)])] = &[
            ("normal text", &[("normal text", 1.0)]),
            ("an (important) word", &[("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
            ("(unbalanced", &[("unbalanced", 1.1)]),
            (r"\(literal\]", &[("(literal]", 1.0)]),
            ("(unnecessary)(parens)", &[("unnecessaryparens", 1.1)]),
            (
                "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
                &[
                    ("a ", 1.0),
                    ("house", 1.573),
                    (" ", 1.1),
                    ("on", 1.0),
                    (" a ", 1.1),
                    ("hill", 0.55),
                    (", sun, ", 1.1),
                    ("sky", 1.4641),
                    (".", 1.1),
                ],
            ),
            ("", &[("", 1.0)]),
            ("()", &[("", 1.0)]),
            ("a) b] c", &[("a) b] c", 1.0)]),
            ("time 12:30, a:b", &[("time 12:30, a:b", 1.0)]),
            ("(a:b)", &[("a:b", 1.1)]),
            ("(a: -1.5 )", &[("a", -1.5)]),
            ("(a:1.2.3)", &[("a:1.2.3", 1.1)]),
            (r"back\slash \\", &[(r"backslash \", 1.0)]),
            ("(龍:1.4)、火", &[("龍", 1.4), ("、火", 1.0)]),
        ];
        for (prompt, expected) in cases {
            let expected: Vec<(String, f32)> = expected.iter().map(|&(t, w)| (t.to_owned(), w)).collect();
            assert_eq!(parsed(prompt), expected, "{prompt}");
        }
    }

    /// Each chunk's segments.
    fn in_chunks(prompt: &str) -> Vec<Vec<(String, f32)>> {
        let mut chunks = vec![Vec::new()];
        for Segment { text, weight, starts_chunk } in parse(prompt, PromptSyntax::A1111) {
            if starts_chunk {
                chunks.push(Vec::new());
            }
            if let Some(chunk) = chunks.last_mut() {
                chunk.push((text, (weight * 1e4).round() / 1e4));
            }
        }
        chunks
    }

    #[test]
    fn break_is_a_word_by_itself_and_takes_the_space_around_it() {
        type Chunk<'a> = &'a [(&'a str, f32)];
        let cases: &[(&str, &[Chunk<'_>])] = &[
            ("a BREAK b", &[&[("a", 1.0)], &[("b", 1.0)]]),
            ("a,BREAK,b", &[&[("a,", 1.0)], &[(",b", 1.0)]]),
            ("a \n BREAK\n\tb", &[&[("a", 1.0)], &[("b", 1.0)]]),
            ("BREAK", &[&[("", 1.0)], &[("", 1.0)]]),
            ("BREAK a", &[&[("", 1.0)], &[("a", 1.0)]]),
            ("a BREAK", &[&[("a", 1.0)], &[("", 1.0)]]),
            ("a BREAK BREAK b", &[&[("a", 1.0)], &[("", 1.0)], &[("b", 1.0)]]),
            ("(a:1.2) BREAK (b)", &[&[("a", 1.2), ("", 1.0)], &[("", 1.0), ("b", 1.1)]]),
            ("(a BREAK b:1.5) c", &[&[("a", 1.5)], &[("b", 1.5), (" c", 1.0)]]),
            (r"x\(BREAK\) y:BREAK:z", &[&[("x(", 1.0)], &[(") y:", 1.0)], &[(":z", 1.0)]]),
            (
                "BREAKFAST break Break _BREAK BREAK1 aBREAK ÉBREAK",
                &[&[("BREAKFAST break Break _BREAK BREAK1 aBREAK ÉBREAK", 1.0)]],
            ),
            ("雨 BREAK、龍", &[&[("雨", 1.0)], &[("、龍", 1.0)]]),
        ];
        for (prompt, expected) in cases {
            let owned = |chunk: &Chunk<'_>| chunk.iter().map(|&(t, w)| (t.to_owned(), w)).collect::<Vec<_>>();
            let expected: Vec<Vec<(String, f32)>> = expected.iter().map(owned).collect();
            assert_eq!(in_chunks(prompt), expected, "{prompt}");
        }
    }

    #[test]
    fn plain_prompts_keep_their_brackets() {
        let text = "(a:1.3) [b] \\(c\\) BREAK d";
        assert_eq!(
            parse(text, PromptSyntax::Plain),
            [Segment { text: text.to_owned(), weight: 1.0, starts_chunk: false }]
        );
    }

    #[test]
    fn weights_stay_finite_however_deep_the_brackets() {
        let deep = format!("{}x{}", "(".repeat(5000), ")".repeat(5000));
        assert_eq!(parsed(&deep), [("x".to_owned(), MAX_WEIGHT)]);
        assert_eq!(parsed(&format!("(x:{})", "9".repeat(300))), [("x".to_owned(), MAX_WEIGHT)]);
    }
}
