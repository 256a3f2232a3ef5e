//! `Key: value, Key: "value"`: the line of parameters in A1111's format.

use serde::de::IgnoredAny;

/// Whitespace as in Python's `str.strip` and `\s`: Unicode's, and the four ASCII separators.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// All pairs of a line, keys and values as written. Finds the same pairs as A1111's expression
/// `\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)` (modules/infotext_utils.py), in linear time. One difference:
/// JSON without quotes (`Hashes: {...}`, Civitai's) stays one value, so that texts in it are not taken for pairs.
pub(super) fn pairs(line: &str) -> Vec<(&str, &str)> {
    pairs_with_rest(line).into_iter().map(|Pair { key, value, .. }| (key, value)).collect()
}

/// A pair, with the text between it and the next pair, which A1111 ignores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub key: &'a str,
    pub value: &'a str,
    /// Without the comma after the value. For `CFG scale: 7,5, Seed: 1` it is `5, `.
    pub rest: &'a str,
}

/// Like [`pairs`], with the text between them.
pub(super) fn pairs_with_rest(line: &str) -> Vec<Pair<'_>> {
    let mut found: Vec<Pair<'_>> = Vec::new();
    // The text after the last value, and the part of it in which a colon is looked for.
    let (mut after, mut rest) = (line, line);
    while let Some(colon) = rest.find(':') {
        let (before, behind) = (&rest[..colon], &rest[colon + 1..]);
        rest = behind;
        if let Some(key) = key(before) {
            let key_end = after.len() - behind.len() - 1;
            if let Some(last) = found.last_mut() {
                last.rest = &after[..key_end - key.len()];
            }
            let value = behind.trim_start_matches(is_space);
            let length = value_length(value);
            // Skip the comma after it, if the line continues.
            rest = value.get(length + 1..).unwrap_or_default();
            after = rest;
            found.push(Pair { key, value: &value[..length], rest });
        }
    }
    found
}

/// The key at the end of a text: a word character, then at least one word character, space, `-` or `/`.
fn key(before: &str) -> Option<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let in_key = |c: char| is_word(c) || matches!(c, ' ' | '-' | '/');
    let start = before.trim_end_matches(in_key).len();
    let key = before[start..].trim_start_matches(|c| !is_word(c));
    (key.chars().nth(1).is_some()).then_some(key)
}

/// Length in bytes of the value at the start of a text. It is followed by a comma or the end.
fn value_length(text: &str) -> usize {
    let quoted = quoted_length(text).filter(|length| ends_value(text, *length));
    let json = || json_length(text).filter(|length| ends_value(text, *length));
    quoted.or_else(json).unwrap_or_else(|| text.find(',').unwrap_or(text.len()))
}

fn ends_value(text: &str, length: usize) -> bool {
    matches!(text.as_bytes().get(length), None | Some(b','))
}

/// Length in bytes of a quoted value, including the quotes. By A1111's rule `""` is not one.
fn quoted_length(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    let body = text.strip_prefix('"')?;
    for (at, c) in body.char_indices() {
        match c {
            // An escape is a backslash and any character except a line break.
            '\n' if is_escaped => return None,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return (at > 0).then_some(at + 2),
            _ => {}
        }
    }
    None
}

/// Length in bytes of the JSON array or object at the start of a text.
fn json_length(text: &str) -> Option<usize> {
    if !text.starts_with(['[', '{']) {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// A value without its quotes, which follow JSON. A value that is not valid JSON is returned unchanged.
pub(super) fn unquoted(value: &str) -> String {
    let is_quoted = value.starts_with('"') && value.ends_with('"');
    let text = is_quoted.then(|| serde_json::from_str(value).ok()).flatten();
    text.unwrap_or_else(|| value.to_owned())
}

/// A value as it is written: with JSON's quotes if it could not be read back otherwise. A1111 quotes values with a
/// comma, a colon or a line break.
pub(crate) fn quoted(value: &str) -> String {
    let is_plain = !value.is_empty()
        && !value.contains([',', ':', '\n', '\r', '"'])
        && value.trim_matches(is_space).len() == value.len();
    if is_plain { value.to_owned() } else { always_quoted(value) }
}

/// A value with JSON's quotes.
pub(crate) fn always_quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_two_pairs_is_kept() {
        let rests = |line| pairs_with_rest(line).into_iter().map(|pair| (pair.key, pair.value, pair.rest));
        let found: Vec<_> = rests("x, CFG scale: 7,5, Seed: 1 : 2, a, Size: 8x8,").collect();
        assert_eq!(found, [("CFG scale", "7", "5, "), ("Seed", "1 : 2", " a, "), ("Size", "8x8", "")]);
        assert_eq!(rests("Seed: 1, é").collect::<Vec<_>>(), [("Seed", "1", " é")]);
        assert_eq!(rests("Seed: 1").collect::<Vec<_>>(), [("Seed", "1", "")]);
    }
}
