//! Pages that are rendered without the application. Their policy allows no script.

use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use protocol::url_path;

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// The logo, as in the application.
const MARK: &str = "<svg class=\"mark\" viewBox=\"0 0 28 16\" aria-hidden=\"true\"><path class=\"mark-line\" d=\"M1 8h17\"/>\
                    <circle class=\"mark-ember\" cx=\"22\" cy=\"8\" r=\"4\"/></svg>";

/// A page. `title` is text, `body` is HTML.
pub fn page(status: StatusCode, title: &str, body: &str) -> Response {
    document(status, title, "page plain", &format!("<h1>{}</h1>\n{body}", escaped(title)))
}

/// A page with a small form in the centre under the product's name, such as sign-in.
pub fn door(status: StatusCode, title: &str, body: &str) -> Response {
    let content = format!("<p class=\"brand\">{MARK}Emberline</p>\n<h1>{}</h1>\n{body}", escaped(title));
    document(status, title, "door", &content)
}

fn document(status: StatusCode, title: &str, class: &str, content: &str) -> Response {
    let title = escaped(title);
    let (icon, style) = (url_path("/favicon.svg"), url_path("/pkg/emberline.css"));
    let document = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"dark light\"><title>{title} · Emberline</title>\
         <link rel=\"icon\" href=\"{icon}\" type=\"image/svg+xml\">\
         <link rel=\"stylesheet\" href=\"{style}\"></head>\
         <body><main class=\"{class}\">{content}\n</main></body></html>\n"
    );
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, "no-store")];
    (status, headers, Html(document)).into_response()
}

/// Escapes text for HTML, including attribute values.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn markup_is_text() {
        assert_eq!(escaped("<a b='\"&'>"), "&lt;a b=&#39;&quot;&amp;&#39;&gt;");
    }
}
