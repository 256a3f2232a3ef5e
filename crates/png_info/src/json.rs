//! JSON of other programs, parsed within limits.

use serde_json::Value;

/// Maximum number of objects in a text: an object with one entry takes about 600 bytes of memory, 90 times its text.
const MAX_OBJECTS: usize = 30_000;
/// Maximum number of entries of objects and arrays in a text; each takes at least 32 bytes.
const MAX_ITEMS: usize = 300_000;

/// Parses JSON as written by Python and JavaScript: `NaN` and `Infinity`, which occur in ComfyUI's graphs, become null,
/// and half of a surrogate pair (`\ud83d`, an emoji that was cut) becomes U+FFFD. `None` if it is not JSON, too large,
/// or deeper than 128 levels.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let count = |wanted: u8| text.bytes().filter(|byte| *byte == wanted).count();
    if count(b'{') > MAX_OBJECTS || count(b',') + count(b'[') > MAX_ITEMS {
        return None;
    }
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let whole = without_half_pairs(text);
    let without_nan = without_nan(&whole);
    serde_json::from_str(without_nan.as_deref().unwrap_or(&whole)).ok()
}

/// Like [`parse`], for a text that is an object.
pub(crate) fn parse_object(text: &str) -> Option<serde_json::Map<String, Value>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    match parse(text)? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// Replaces escapes of half surrogate pairs.
fn without_half_pairs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let length = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(_), _) => {
                out.push(char::REPLACEMENT_CHARACTER);
                rest = &escape[6..];
                continue;
            }
            // A backslash and the character after it.
            (None, _) => escape.chars().take(2).map(char::len_utf8).sum(),
        };
        let (taken, behind) = escape.split_at(length);
        out.push_str(taken);
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// The surrogate of the escape at the start of a text.
fn surrogate(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let unit = u16::from_str_radix(digits, 16).ok()?;
    (0xD800..=0xDFFF).contains(&unit).then_some(unit)
}

/// Replaces Python's three words that are not JSON by null, outside of strings.
fn without_nan(text: &str) -> Option<String> {
    if !["NaN", "Infinity"].iter().any(|word| text.contains(word)) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word = ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| rest.starts_with(word));
        let length = match (c, word) {
            ('"', _) => string_length(rest),
            (_, Some(word)) => {
                out.push_str("null");
                rest = &rest[word.len()..];
                continue;
            }
            _ => c.len_utf8(),
        };
        let (taken, behind) = rest.split_at(length);
        out.push_str(taken);
        rest = behind;
    }
    Some(out)
}

/// Length of the string at the start of a text, including the quotes.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pythons_words_are_null_outside_of_strings() {
        let read = parse(r#"{"is_changed":[NaN],"a":-Infinity,"text":"NaN, \"Infinity\""}"#);
        assert_eq!(read, Some(serde_json::json!({"is_changed":[null],"a":null,"text":"NaN, \"Infinity\""})));
        for bad in ["{\"NaN", "NaN NaN", "{\"a\":NaNx}", "\"\\NaN"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn half_a_pair_is_replaced_and_a_whole_one_kept() {
        let read = parse(r#"{"a":"\ud83d\ude00","b":"\ud83d x","c":"\ude00\ud83d","d":"\\ud83d","e":NaN}"#);
        let expected = serde_json::json!({"a":"😀","b":"\u{fffd} x","c":"\u{fffd}\u{fffd}","d":"\\ud83d","e":null});
        assert_eq!(read, Some(expected));
        for bad in ["\"\\", "\"\\u", "\"\\ud83", "\"\\ud83d", "{\"a\":\"\\ud83dé\"", "\"\\é"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_would_take_much_memory_is_not_read() {
        assert_eq!(parse(&"[".repeat(1 << 20)), None);
        assert_eq!(parse(&"[".repeat(200)), None);
        let many = |part: &str, count: usize| format!("[{}0]", part.repeat(count));
        assert!(parse(&many("{\"\":0},", 1000)).is_some());
        assert_eq!(parse(&many("{\"\":0},", MAX_OBJECTS + 1)), None);
        assert_eq!(parse(&many("0,", MAX_ITEMS + 1)), None);
        assert_eq!(parse(&format!("{{\"a\":{}", "{\"a\":NaN,".repeat(20_000))), None);
    }
}
