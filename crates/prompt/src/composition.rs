//! `AND`: several prompts for one picture, each with a weight (Liu et al. 2022, composable diffusion).
//!
//! Source: `get_multicond_prompt_list` of A1111's `modules/prompt_parser.py`. A number after a colon at the end of a
//! part is its weight, also in a prompt without `AND`: `a cat :1.2`, but `a clock at 12:30` too.

use crate::words::words;

const AND: &str = "AND";

/// A part of a prompt, between `AND`s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted<'a> {
    /// The text without weight and without white space at the end.
    pub text: &'a str,
    /// The factor for the part's guidance.
    pub weight: f64,
    /// The weight as written, from its colon; empty without one.
    pub written: &'a str,
}

/// The parts of a prompt: at least one.
pub fn parts(prompt: &str) -> Vec<Weighted<'_>> {
    let (mut parts, mut from) = (Vec::new(), 0);
    for at in words(prompt, AND) {
        parts.push(weighted(&prompt[from..at]));
        from = at + AND.len();
    }
    parts.push(weighted(&prompt[from..]));
    parts
}

fn weighted(part: &str) -> Weighted<'_> {
    let text = part.trim_end();
    let unweighted = Weighted { text, weight: 1.0, written: "" };
    let Some(colon) = text.rfind(':') else { return unweighted };
    match number(text[colon + 1..].trim_start()) {
        Some(weight) => Weighted { text: text[..colon].trim_end(), weight, written: &text[colon..] },
        None => unweighted,
    }
}

/// The regular expression `[-+]?(\d+\.?|\d*\.\d+)`.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let allowed = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if allowed { text.parse().ok() } else { None }
}
