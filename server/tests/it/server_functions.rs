//! The page's server functions with invalid arguments: refused, without a server error and without an error in the log.

use crate::support::TestServer;
use serde_json::Value;

/// Each function with arguments: method, endpoint, and valid arguments.
const FUNCTIONS: [(&str, &str, &str); 29] = [
    ("GET", "bin/get", "id=1"),
    ("POST", "exports/create", "project_id=1&format=zip"),
    ("POST", "exports/delete", "id=1"),
    ("GET", "exports/get", "id=1"),
    ("GET", "exports/list", "project_id=1"),
    ("POST", "frames/delete", "id=1"),
    ("POST", "frames/duplicate", "id=1"),
    ("POST", "frames/restore", "id=1"),
    ("GET", "frames/takes", "id=1"),
    ("POST", "frames/update", "id=1&duration=2"),
    ("POST", "generations/create", "project_id=1&draft[prompt]=x"),
    ("POST", "generations/estimate", "project_id=1&draft[prompt]=x"),
    ("GET", "page/get", "path=/"),
    ("POST", "projects/create", "name=x&size=64x64&fps=1"),
    ("POST", "projects/delete", "id=1"),
    ("GET", "projects/list", "after=2025-11-22T10:00:00Z_1"),
    ("POST", "projects/restore", "id=1"),
    ("POST", "projects/update", "id=1&name=x"),
    ("POST", "prompts/count", "prompt=x"),
    ("POST", "queue/pause", "paused=true"),
    ("POST", "queue/reorder", "ids[0]=1"),
    ("POST", "settings/update", "preview_interval_ms=1000"),
    ("GET", "studio/get", "id=1"),
    ("POST", "takes/delete", "id=1"),
    ("POST", "takes/restore", "id=1"),
    ("POST", "tasks/cancel", "id=1"),
    ("POST", "tasks/keep", "id=1"),
    ("POST", "tasks/retry", "id=1"),
    ("POST", "theme/set", "theme=dark"),
];

/// Invalid variants of the arguments: type, range, length, nesting, encoding.
fn shapes(good: &str) -> Vec<(String, Vec<u8>)> {
    let names: Vec<&str> = good.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name).collect();
    let all = |value: &str| names.iter().map(|name| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let form = "application/x-www-form-urlencoded";
    let mut shapes: Vec<(String, Vec<u8>)> = Vec::new();
    for text in [
        String::new(),
        "unknown=1".to_owned(),
        all(""),
        all("x"),
        all("-1"),
        all("1.5"),
        all("99999999999999999999999999"),
        all("1e400"),
        all("%00"),
        all("%FF%FE"),
        all("null"),
        all("[]"),
        names.iter().map(|name| format!("{name}[a][b][c][d][e][f][g]=1")).collect::<Vec<_>>().join("&"),
        names.iter().map(|name| format!("{name}[]=1&{name}[]=2")).collect::<Vec<_>>().join("&"),
        format!("{good}&{good}"),
        "[[[[".to_owned(),
        "=&=&==".to_owned(),
        "%".to_owned(),
    ] {
        shapes.push((form.to_owned(), text.into_bytes()));
    }
    shapes.push((form.to_owned(), all(&"x".repeat(50_000)).into_bytes()));
    shapes.push((form.to_owned(), [names[0].as_bytes(), b"=\xff\xfe\x80"].concat()));
    shapes.push(("application/json".to_owned(), br#"{"id":1}"#.to_vec()));
    shapes.push(("application/json".to_owned(), b"[]".to_vec()));
    shapes.push(("multipart/form-data".to_owned(), b"--x".to_vec()));
    shapes.push(("text/plain; charset=utf-16".to_owned(), b"\xff\xfei\0d\0".to_vec()));
    shapes
}

#[test]
fn bad_arguments_are_the_callers_fault_and_are_not_logged() {
    let server = TestServer::start();
    let (mut sent, mut refused) = (0, 0);
    for (method, name, good) in FUNCTIONS {
        let path = format!("/fn/{name}");
        let of_function = refused;
        for (kind, body) in shapes(good) {
            let shown: String = String::from_utf8_lossy(&body).chars().take(100).collect();
            let answer = match method {
                // Bytes that a URL cannot contain are percent-encoded.
                "GET" => {
                    let query: String = body
                        .iter()
                        .map(|byte| match byte {
                            b'!'..=b'~' if !b"#\"<>`{}|\\^".contains(byte) => char::from(*byte).to_string(),
                            byte => format!("%{byte:02X}"),
                        })
                        .collect();
                    server.request("GET", &format!("{path}?{}", &query[..query.len().min(8000)]), &[], None)
                }
                _ => server.request("POST", &path, &[("content-type", &kind)], Some(&body)),
            };
            assert!(answer.status < 500, "{method} {path} {shown}: {} {}", answer.status, answer.text);
            sent += 1;
            if answer.status >= 400 {
                refused += 1;
                let error: Value = answer.json();
                assert!(error["problem"].is_object() || error["problem"].is_string(), "{path} {shown}: {error}");
            }
        }
        assert!(refused > of_function, "{path} refused nothing");
        let other = if method == "GET" { "POST" } else { "GET" };
        for wrong in [other, "PUT", "DELETE", "PATCH"] {
            let body = (wrong != "GET").then_some(&b""[..]);
            assert_eq!(server.request(wrong, &path, &[], body).status, 405, "{wrong} {path}");
        }
    }
    assert!(sent > 500 && refused > 300, "{refused} of {sent} refused");
    for unknown in ["/fn/", "/fn/nothing", "/fn/projects", "/fn/projects/create/x"] {
        assert_eq!(server.get(unknown).status, 404, "{unknown}");
    }
    let (_, log, _) = server.stop();
    assert!(!log.contains("ERROR") && !log.contains("WARN"), "{}", log.chars().take(3000).collect::<String>());
}

#[test]
fn a_form_posted_without_script_is_sent_back_with_the_reason() {
    let server = TestServer::start();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", "text/html"),
        ("referer", &format!("{}/", server.url)),
    ];
    let answer = server.request("POST", "/fn/projects/delete", &headers, Some(b"id=x"));
    assert_eq!(answer.status, 302, "{}", answer.text);
    assert!(answer.header("location").contains("__err="), "{}", answer.header("location"));
}
