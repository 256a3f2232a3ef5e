//! The document as HTML: the operations, then the schemas.

use crate::http::html::escaped;
use protocol::url_path;
use serde_json::{Map, Value};

/// The body of the page, HTML.
pub fn body_of(document: &Value) -> String {
    let empty = Map::new();
    let object = |value: &'_ Value| value.as_object().cloned().unwrap_or_default();
    let mut out = format!(
        "<p>{}</p><p>The same for programs: <a href=\"{}\">openapi.json</a></p>",
        text(&document["info"]["description"]),
        url_path("/api/v1/openapi.json")
    );
    for (path, verbs) in document["paths"].as_object().unwrap_or(&empty) {
        for (verb, operation) in object(verbs) {
            let id = text(&operation["operationId"]);
            out += &format!(
                "<section id=\"{id}\"><h2><code>{} {}</code></h2><p>{}</p>",
                verb.to_uppercase(),
                escaped(path),
                text(&operation["summary"])
            );
            out += &parameters(&operation["parameters"]);
            for (media_type, content) in object(&operation["requestBody"]["content"]) {
                out += &format!("<p>Takes <code>{}</code> {}</p>", escaped(&media_type), shape(&content["schema"]));
            }
            out += &answers(&operation["responses"]);
            out += "</section>";
        }
    }
    out += "<h2>Shapes</h2>";
    for (name, schema) in document["components"]["schemas"].as_object().unwrap_or(&empty) {
        out += &component(name, schema);
    }
    out
}

fn parameters(of: &Value) -> String {
    let rows: String = of
        .as_array()
        .into_iter()
        .flatten()
        .map(|parameter| {
            let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
            let (schema, what) = (shape(&parameter["schema"]), text(&parameter["description"]));
            format!("<tr><td><code>{name}</code></td><td>{place}</td><td>{schema}</td><td>{what}</td></tr>")
        })
        .collect();
    if rows.is_empty() { rows } else { format!("<table>{rows}</table>") }
}

fn answers(of: &Value) -> String {
    let mut failures = Vec::new();
    let mut out = String::new();
    for (status, response) in of.as_object().into_iter().flatten() {
        if response.get("$ref").is_some() {
            failures.push(status.as_str());
            continue;
        }
        let content = response["content"].as_object().and_then(|content| content.iter().next());
        let what = content.map_or_else(String::new, |(media_type, content)| {
            format!(" <code>{}</code> {}", escaped(media_type), shape(&content["schema"]))
        });
        out += &format!("<p>Answers <code>{}</code>{what}</p>", escaped(status));
    }
    if !failures.is_empty() {
        out += &format!("<p>Or a problem: {}</p>", escaped(&failures.join(", ")));
    }
    out
}

fn component(name: &str, schema: &Value) -> String {
    let name = escaped(name);
    let mut out = format!("<section id=\"shape-{name}\"><h3>{name}</h3><p>{}</p>", text(&schema["description"]));
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = schema["properties"].as_object();
    if let Some(fields) = fields {
        out += "<table>";
        for (field, of) in fields {
            let needed = if required.contains(&field.as_str()) { "" } else { " (optional)" };
            let (field, what) = (escaped(field), text(&of["description"]));
            out += &format!("<tr><td><code>{field}</code>{needed}</td><td>{}</td><td>{what}</td></tr>", shape(of));
        }
        out += "</table>";
    } else {
        out += &format!("<p>{}</p>", shape(schema));
    }
    out + "</section>"
}

/// A schema in a few words, HTML.
fn shape(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#shape-{0}\">{0}</a>", escaped(name));
    }
    let several = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
    if let Some(several) = several {
        return several.iter().map(shape).collect::<Vec<_>>().join(" or ");
    }
    let one = |value: &Value| value.as_str().map_or_else(|| escaped(&value.to_string()), escaped);
    if let Some(value) = schema.get("const") {
        return format!("<code>{}</code>", one(value));
    }
    if let Some(names) = schema["enum"].as_array() {
        return names.iter().map(|name| format!("<code>{}</code>", one(name))).collect::<Vec<_>>().join(", ");
    }
    if schema["type"] == "array" {
        return format!("list of {}", shape(&schema["items"]));
    }
    let kinds: Vec<_> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(one).collect(),
        Value::Null => Vec::new(),
        kind => vec![one(kind)],
    };
    let bound = |name: &str, words: &str| schema.get(name).map(|value| format!(", {words} {}", one(value)));
    let bounds = [("minimum", "from"), ("maximum", "to"), ("multipleOf", "by"), ("maxLength", "characters at most")];
    kinds.join(" or ") + &bounds.iter().filter_map(|(name, words)| bound(name, words)).collect::<String>()
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}
