//! JSON of other programs, parsed within limits.

use serde_json::Value;

/// Maximum number of objects in a text: an object with one entry takes about 600 bytes of memory, 90 times its text.
const MAX_OBJECTS: usize = 30_000;
/// Maximum number of entries of objects and arrays in a text; each takes at least 32 bytes.
const MAX_ITEMS: usize = 300_000;

/// Parses JSON as written by Python: `NaN` and `Infinity`, which occur in ComfyUI's graphs, become null. `None` if it
/// is not JSON, too large, or deeper than 128 levels.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let count = |wanted: u8| text.bytes().filter(|byte| *byte == wanted).count();
    if count(b'{') > MAX_OBJECTS || count(b',') + count(b'[') > MAX_ITEMS {
        return None;
    }
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&without_nan(text)?).ok())
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
