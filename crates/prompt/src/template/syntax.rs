//! Braces, weights and names of wildcards in a text.

use crate::words::in_word;

/// Start and end of each pair of braces that is in no other pair, in order.
pub(super) fn braces(text: &str) -> Vec<(usize, usize)> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => _ = chars.next(),
            '{' => open.push(at),
            '}' => {
                if let Some(start) = open.pop() {
                    // Pairs inside this one.
                    while found.last().is_some_and(|(inner, _)| *inner > start) {
                        found.pop();
                    }
                    found.push((start, at));
                }
            }
            _ => {}
        }
    }
    found
}

/// The inside of a pair of braces.
pub(super) struct Choice<'a> {
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) joined_by: &'a str,
    /// Weight and text of each.
    pub(super) options: Vec<(f64, &'a str)>,
}

impl<'a> Choice<'a> {
    /// `None` for braces that are text.
    pub(super) fn parse(inside: &'a str) -> Option<Self> {
        let (count, rest) = match inside.split_once("$$").and_then(|(count, rest)| Some((range(count)?, rest))) {
            Some((count, rest)) => (Some(count), rest),
            None => (None, inside),
        };
        let parts = split(rest);
        let (joined_by, parts) = match (count, parts.first().and_then(|first| first.split_once("$$"))) {
            (Some(_), Some((joiner, first))) => {
                let rest = parts[1..].iter().copied();
                (joiner, std::iter::once(first).chain(rest).collect())
            }
            _ => (", ", parts),
        };
        if count.is_none() && parts.len() < 2 {
            return None;
        }
        let (least, most) = count.unwrap_or((1, 1));
        Some(Self { least, most, joined_by, options: parts.into_iter().map(weighted).collect() })
    }
}

/// `2`, `1-3`, `-3` (from 0) or `2-` (up to all).
fn range(text: &str) -> Option<(usize, usize)> {
    let text = text.trim();
    let number = |text: &str, other: usize| if text.is_empty() { Some(other) } else { text.parse().ok() };
    match text.split_once('-') {
        Some((least, most)) => Some((number(least, 0)?, number(most, usize::MAX)?)).filter(|(a, b)| a <= b),
        None => text.parse().ok().map(|count| (count, count)),
    }
}

/// Splits at each `|` that is in no braces.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0_usize);
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => _ = chars.next(),
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// `0.5::text`; the weight is 1 without one.
pub(super) fn weighted(text: &str) -> (f64, &str) {
    let weight = text.split_once("::").and_then(|(weight, text)| Some((weight.trim().parse().ok()?, text)));
    weight.filter(|(weight, _): &(f64, &str)| (0.0..=1e6).contains(weight)).unwrap_or((1.0, text))
}

/// The name of the wildcard at the start of `rest`.
pub(super) fn wildcard<'a>(before: &str, rest: &'a str) -> Option<&'a str> {
    let inside = rest.strip_prefix("__")?;
    let name = &inside[..inside.find("__")?];
    let fits = name.starts_with(char::is_alphanumeric) && name.chars().all(|c| in_word(c) || matches!(c, '-' | '/'));
    (fits && !before.ends_with(in_word)).then_some(name)
}
