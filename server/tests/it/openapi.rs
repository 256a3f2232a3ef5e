//! The OpenAPI document against the running server: every route is in it, every answer matches its schema, and no
//! request, valid or not, causes a server error.

use crate::{
    library::{Folder, lora, scanned},
    schema::{Random, Schemas},
    support::{Answer, TestServer},
};
use image::ImageFormat;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use test_pictures::{file, pattern};

/// Number of random requests for each operation.
const REQUESTS: usize = 60;
/// Values for path ids: valid, invalid and out of range.
const IDS: [&str; 9] = ["1", "2", "0", "-1", "9223372036854775807", "99999999999999999999", "abc", "%00", "1%2F..%2F2"];

struct Operation {
    verb: String,
    path: String,
    about: Value,
}

fn document(server: &TestServer) -> Value {
    let answer = server.get("/api/v1/openapi.json");
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    answer.json()
}

fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("paths");
    let each = paths.iter().flat_map(|(path, verbs)| {
        verbs.as_object().expect("verbs").iter().map(move |(verb, about)| Operation {
            verb: verb.to_uppercase(),
            path: path.clone(),
            about: about.clone(),
        })
    });
    each.collect()
}

#[test]
fn every_operation_is_a_route_and_every_promised_route_is_there() {
    let server = TestServer::start();
    let document = document(&server);
    assert_eq!(document["openapi"], "3.1.0");
    let operations = operations(&document);
    let has = |verb: &str, path: &str| operations.iter().any(|it| it.verb == verb && it.path == path);
    for (verbs, path) in [
        ("GET POST", "/projects"),
        ("GET PATCH DELETE", "/projects/{id}"),
        ("POST", "/projects/{id}/restore"),
        ("GET POST", "/projects/{id}/frames"),
        ("POST", "/projects/{id}/generations"),
        ("PATCH DELETE", "/frames/{id}"),
        ("POST", "/frames/{id}/restore"),
        ("GET", "/frames/{id}/takes"),
        ("DELETE", "/takes/{id}"),
        ("GET", "/takes/{id}/trace"),
        ("POST", "/takes/{id}/branch"),
        ("GET", "/tasks"),
        ("GET", "/tasks/{id}"),
        ("POST", "/tasks/{id}/cancel"),
        ("POST", "/tasks/{id}/keep"),
        ("POST", "/tasks/{id}/retry"),
        ("GET", "/queue"),
        ("POST", "/queue/pause"),
        ("POST", "/queue/resume"),
        ("PUT", "/queue/order"),
        ("GET", "/models"),
        ("GET", "/samplers"),
        ("GET", "/schedulers"),
        ("GET PATCH", "/settings"),
        ("POST", "/inspect-png"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
    ] {
        for verb in verbs.split(' ') {
            assert!(has(verb, &format!("/api/v1{path}")), "{verb} {path}");
        }
    }
    for path in [
        "/health/live",
        "/health/ready",
        "/metrics",
        "/media/{name}",
        "/media/{key}/{name}",
        "/media/{key}/steps/{name}",
        "/ws",
    ] {
        assert!(has("GET", path), "{path}");
    }
    let ids: HashSet<_> = operations.iter().map(|it| it.about["operationId"].to_string()).collect();
    assert_eq!(ids.len(), operations.len(), "each operation has an id of its own");
    for Operation { verb, path, about } in &operations {
        let empty = (!matches!(verb.as_str(), "GET" | "DELETE")).then_some(&b""[..]);
        let at = path.replace("{id}", "1").replace("{name}", "x.png").replace("{key}", "x");
        let answer = server.request(verb, &at, &[], empty);
        assert!(answer.status != 405 && !answer.text.contains("resource at"), "{verb} {path}: {}", answer.text);
        let named: Vec<_> = about["parameters"].as_array().into_iter().flatten().collect();
        let in_path = named.iter().filter(|parameter| parameter["in"] == "path").count();
        let names: HashSet<_> = named.iter().map(|parameter| parameter["name"].to_string()).collect();
        assert_eq!(names.len(), named.len(), "{verb} {path}: each parameter has a name of its own");
        assert_eq!(in_path, path.matches('{').count(), "{verb} {path}");
    }
}

#[test]
fn references_resolve_and_bounds_are_documented() {
    let server = TestServer::start();
    let document = document(&server);
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').expect("inside the document");
                    assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                open.extend(fields.values());
            }
            Value::Array(values) => open.extend(values),
            _ => {}
        }
    }
    let new = &document["components"]["schemas"]["NewGeneration"];
    assert_eq!(new["required"], json!(["prompt"]));
    assert_eq!(
        (&new["properties"]["steps"]["minimum"], &new["properties"]["steps"]["maximum"]),
        (&json!(1), &json!(1000))
    );
    assert_eq!(new["additionalProperties"], false);
    assert!(new["properties"]["sampler"]["enum"].as_array().is_some_and(|names| names.contains(&json!("dpmpp_2m"))));
}

#[test]
fn the_page_lists_every_operation_without_script() {
    let server = TestServer::start();
    let page = server.get("/api/v1/docs");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html") && !page.text.contains("<script"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    for Operation { verb, path, .. } in operations(&document(&server)) {
        assert!(page.text.contains(&format!("{verb} {path}")), "{verb} {path}");
    }
}

/// A request body: valid for the schema, or with an error.
fn body(random: &mut Random, schemas: &Schemas, operation: &Operation) -> (String, Vec<u8>) {
    let content = operation.about["requestBody"]["content"].as_object();
    let Some((media_type, content)) = content.and_then(|content| content.iter().next()) else {
        return ("application/json".to_owned(), random.text().into_bytes());
    };
    let bytes = if media_type == "application/json" {
        let mut value = schemas.value(random, &content["schema"]);
        match random.below(8) {
            0..=2 => {}
            3 | 4 => random.spoil(&mut value),
            5 => value = random.any(),
            6 => return (media_type.clone(), random.text().into_bytes()),
            _ => {
                let cut = value.to_string();
                return (media_type.clone(), cut.as_bytes()[..random.below(cut.len() as u64) as usize].to_vec());
            }
        }
        value.to_string().into_bytes()
    } else {
        // Binary body: none where it is optional, a valid PNG, or the start of a PNG followed by garbage.
        let is_needed = operation.about["requestBody"]["required"] == true;
        match random.below(3) {
            0 if !is_needed => Vec::new(),
            1 => png_info::encode(&[255; 3 * 8 * 8], 8, 8, None).expect("a PNG"),
            _ => {
                let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde".to_vec();
                png.truncate(random.below(40) as usize);
                png.extend(random.text().into_bytes());
                png
            }
        }
    };
    (media_type.clone(), bytes)
}

fn address(random: &mut Random, operation: &Operation, own: &str) -> String {
    let id: &str = if random.below(2) == 0 { own } else { random.one_of::<&str>(&IDS) };
    let mut path = operation.path.replace("{id}", id).replace("{name}", id).replace("{key}", id);
    let parameters = operation.about["parameters"].as_array();
    let queries = parameters.into_iter().flatten().filter(|parameter| parameter["in"] == "query");
    for parameter in queries {
        // Query parameters are optional.
        if random.below(2) == 0 {
            continue;
        }
        let value =
            random.one_of(&["1", "", "queued", "failed", "-1", "99999999999999999999", "%00%FF", "%F0%9F%94%A5"]);
        let sign = if path.contains('?') { '&' } else { '?' };
        path += &format!("{sign}{}={value}", parameter["name"].as_str().expect("a name"));
    }
    path
}

/// Excluded: resuming would run tasks, and the WebSocket has its own tests.
fn left_out(path: &str) -> bool {
    matches!(path, "/api/v1/queue/resume" | "/ws")
}

fn check(schemas: &Schemas, operation: &Operation, answer: &Answer, request: &str) {
    let status = answer.status.to_string();
    assert!(answer.status < 500 || answer.status == 503, "{request}: {status} {}", answer.text);
    let responses: &Map<String, Value> = operation.about["responses"].as_object().expect("responses");
    let response = responses.get(&status).unwrap_or_else(|| panic!("{request}: {status} is not in the document"));
    if response.get("$ref").is_some() {
        assert_eq!(answer.header("content-type"), "application/problem+json", "{request}: {}", answer.text);
        schemas.check(&json!({"$ref": "#/components/schemas/Problem"}), &answer.json(), request);
    } else if let Some(schema) = response["content"].get("application/json").and_then(|content| content.get("schema")) {
        schemas.check(schema, &answer.json(), request);
    }
}

#[test]
fn whatever_is_sent_is_answered_as_the_document_says() {
    let models = Folder::new();
    models.write("loras/ink.safetensors", &lora(1, &[]));
    models.write("loras/ink.png", &file(pattern(64, 64), ImageFormat::Png));
    let server = scanned(&["--models", models.text()]);
    let files = server.get("/api/v1/library").json();
    let document = document(&server);
    let schemas = Schemas::of(&document);
    let mut random = Random::new(20_240_607);
    // The queue is paused: only answers are tested, and all tasks stay queued.
    server.send("POST", "/api/v1/queue/pause", &json!({}));
    let (mut sent, mut done, mut refused) = (0, HashSet::new(), HashSet::new());
    for operation in operations(&document) {
        if left_out(&operation.path) {
            continue;
        }
        let project = server.create("Fuzz");
        let of = format!("/api/v1/projects/{}", project["id"]);
        let body_of_one = json!({"prompt": "a red car", "width": 64, "height": 64});
        let accepted = server.send("POST", &format!("{of}/generations"), &body_of_one).json();
        let name = format!("Style {sent}");
        let style = server.send("POST", "/api/v1/styles", &json!({"name": name, "prompt": "ink"})).json();
        let own = match operation.path.split('/').nth(3) {
            Some("frames") => &accepted["tasks"][0]["frame_id"],
            Some("tasks") => &accepted["tasks"][0]["task_id"],
            Some("takes") => &accepted["tasks"][0]["take_id"],
            Some("library") => &files[0]["id"],
            Some("styles") => &style["id"],
            _ => &project["id"],
        };
        let own = own.as_str().map_or_else(|| own.to_string(), str::to_owned);
        if operation.path.ends_with("/retry") {
            assert_eq!(server.send("POST", &format!("/api/v1/tasks/{own}/cancel"), &json!({})).status, 200);
        }
        for _ in 0..REQUESTS {
            let path = address(&mut random, &operation, &own);
            let (kind, bytes) = body(&mut random, &schemas, &operation);
            let mut headers = vec![("content-type", kind.as_str())];
            let key = random.below(5).to_string();
            if operation.about["parameters"].to_string().contains("Idempotency-Key") && random.below(2) == 0 {
                headers.push(("idempotency-key", &key));
            }
            let sends = operation.verb != "GET";
            let answer = server.request(&operation.verb, &path, &headers, sends.then_some(bytes.as_slice()));
            let shown: String = String::from_utf8_lossy(&bytes).chars().take(500).collect();
            check(&schemas, &operation, &answer, &format!("{} {path} {shown}", operation.verb));
            sent += 1;
            let name = format!("{} {}", operation.verb, operation.path);
            match answer.status {
                200..300 => done.insert(name),
                400..500 => refused.insert(name),
                _ => false,
            };
        }
    }
    assert!(sent > 1000, "only {sent} requests");
    // Operations that no random request can complete: they need a task that is not queued, a finished picture (tested
    // in `exports.rs`), one with a trace (tested in `traces.rs`), an unguessable picture name, or a table (tested in
    // `prompts.rs`).
    let impossible = [
        "POST /api/v1/tasks/{id}/keep",
        "DELETE /api/v1/takes/{id}",
        "POST /api/v1/takes/{id}/branch",
        "GET /media/{key}/steps/{name}",
        "GET /media/{key}/{name}",
        "POST /api/v1/frames/{id}/duplicate",
        "POST /api/v1/projects/{id}/exports",
        "GET /api/v1/exports/{id}",
        "GET /api/v1/exports/{id}/file",
        "DELETE /api/v1/exports/{id}",
        "GET /media/{name}",
        "POST /api/v1/styles/import",
        "POST /api/v1/workers/{id}/drain",
        "POST /api/v1/workers/{id}/resume",
    ];
    for Operation { verb, path, about } in operations(&document) {
        let name = format!("{verb} {path}");
        if !impossible.contains(&name.as_str()) && !left_out(&path) {
            assert!(done.contains(&name), "{name} was never asked as the document says");
        }
        if about.get("requestBody").is_some() {
            assert!(refused.contains(&name), "{name} was never asked wrongly");
        }
    }
    assert_eq!(server.get("/health/ready").status, 200);
}
