//! `If-None-Match`.

use axum::http::{HeaderMap, header};

/// Whether the client has these bytes. `etag` has its quotes. Several lines are one list (RFC 9110, section 5.3), and tags are
/// compared weakly (section 13.1.2).
pub fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn tags_match_strong_weak_and_in_lists() {
        for (lines, same) in [
            (&["\"a\""][..], true),
            (&["W/\"a\""], true),
            (&["\"b\", \"a\""], true),
            (&["*"], true),
            (&["\"b\"", "\"a\""], true),
            (&["\"b\"", "\"c\""], false),
            (&["\"b\""], false),
            (&["a"], false),
            (&[""], false),
            (&[], false),
        ] {
            let lines = lines.iter().map(|line| (header::IF_NONE_MATCH, HeaderValue::from_static(line)));
            let headers = lines.fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            });
            assert_eq!(matches(&headers, "\"a\""), same, "{headers:?}");
        }
    }
}
