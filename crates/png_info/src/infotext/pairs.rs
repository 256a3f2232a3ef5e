//! `Key: value, Key: "value"`: the line of parameters in A1111's format.

use serde::de::IgnoredAny;

/// Whitespace as Python's `str.strip` and `\s` have it: Unicode's, and the four separators of ASCII.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Every pair of a line, keys and values as they are written. The same pairs as A1111 finds by
/// `\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)` (modules/infotext_utils.py), in linear time. One deviation:
/// the JSON that Civitai adds without quotes stays one value.
pub(super) fn pairs(line: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(colon) = rest.find(':') {
        let (before, behind) = (&rest[..colon], &rest[colon + 1..]);
        rest = behind;
        if let Some(key) = key(before) {
            let value = behind.trim_start_matches(is_space);
            let length = value_length(key, value);
            found.push((key, &value[..length]));
            // The comma behind it, if the line goes on.
            rest = value.get(length + 1..).unwrap_or_default();
        }
    }
    found
}

/// The key at the end of a text: a word character, then at least one more of those, a space, `-` or `/`.
fn key(before: &str) -> Option<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let in_key = |c: char| is_word(c) || matches!(c, ' ' | '-' | '/');
    let start = before.trim_end_matches(in_key).len();
    let key = before[start..].trim_start_matches(|c| !is_word(c));
    (key.chars().nth(1).is_some()).then_some(key)
}

/// Bytes of the value at the start of a text; what follows it is a comma or nothing.
fn value_length(key: &str, text: &str) -> usize {
    let quoted = quoted_length(text).filter(|length| ends_value(text, *length));
    let json = || json_length(key, text).filter(|length| ends_value(text, *length));
    quoted.or_else(json).unwrap_or_else(|| text.find(',').unwrap_or(text.len()))
}

fn ends_value(text: &str, length: usize) -> bool {
    matches!(text.as_bytes().get(length), None | Some(b','))
}

/// Bytes of a value in quotes, quotes included; `""` is none by A1111's rule.
fn quoted_length(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    let body = text.strip_prefix('"')?;
    for (at, c) in body.char_indices() {
        match c {
            // An escape is a backslash and any character but a line break.
            '\n' if is_escaped => return None,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return (at > 0).then_some(at + 2),
            _ => {}
        }
    }
    None
}

fn json_length(key: &str, text: &str) -> Option<usize> {
    if !key.starts_with("Civitai") || !text.starts_with(['[', '{']) {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// A value without its quotes, which are JSON's; one that is not valid JSON stays as it is.
pub(super) fn unquoted(value: &str) -> String {
    let is_quoted = value.starts_with('"') && value.ends_with('"');
    let text = is_quoted.then(|| serde_json::from_str(value).ok()).flatten();
    text.unwrap_or_else(|| value.to_owned())
}

/// A value as it is written: in JSON's quotes where it could not be read back otherwise. A1111 quotes values with a comma,
/// a colon or a line break.
pub(crate) fn quoted(value: &str) -> String {
    let is_plain = !value.is_empty()
        && !value.contains([',', ':', '\n', '\r', '"'])
        && value.trim_matches(is_space).len() == value.len();
    if is_plain { value.to_owned() } else { always_quoted(value) }
}

/// A value in JSON's quotes.
pub(crate) fn always_quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}
