//! Header fields that are in a request twice.

use crate::support::TestServer;
use serde_json::json;
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Sends a request with these lines after its Host, and returns status and body.
fn answer(server: &TestServer, line: &str, headers: &[String], body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let mut request = format!("{line} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n");
    headers.iter().for_each(|header| request += &format!("{header}\r\n"));
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
}

#[test]
fn fields_with_one_value_are_refused_when_they_come_twice() {
    let server = TestServer::start_with(&["--token", "0123456789abcdef"]);
    let allowed = [("authorization", "Bearer 0123456789abcdef")];
    let new = br#"{"name": "One", "width": 64, "height": 64, "fps": 12}"#;
    let project = server.request("POST", "/api/v1/projects", &allowed, Some(new)).json();
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    let body = json!({"prompt": "x", "steps": 1, "width": 64, "height": 64}).to_string();
    let usual = |but: &str| {
        let all = [
            ("authorization", allowed[0].1.to_owned()),
            ("content-type", "application/json".to_owned()),
            ("content-length", body.len().to_string()),
            ("idempotency-key", "a".to_owned()),
        ];
        let lines = all.iter().map(|(name, value)| format!("{name}: {value}"));
        let more = all.iter().filter(|(name, _)| *name == but).map(|(name, value)| format!("{name}: {value}"));
        lines.chain(more).collect::<Vec<_>>()
    };
    let line = format!("POST {path}");
    for (name, shown) in
        [("idempotency-key", "Idempotency-Key"), ("authorization", "Authorization"), ("content-type", "Content-Type")]
    {
        let (status, text) = answer(&server, &line, &usual(name), &body);
        assert_eq!(status, 400, "{text}");
        assert!(text.contains(shown) && text.contains("2 times"), "{text}");
    }
    // Different keys too: the second one is not ignored.
    let mut keys = usual("");
    keys.push("Idempotency-Key: b".to_owned());
    assert_eq!(answer(&server, &line, &keys, &body).0, 400);
    // RFC 9110, section 8.6: different lengths are an error.
    let mut lengths = usual("");
    lengths.push("content-length: 3".to_owned());
    assert_eq!(answer(&server, &line, &lengths, &body).0, 400);
    let (status, text) = answer(&server, &line, &usual(""), &body);
    assert_eq!(status, 202, "once is right: {text}");
    let tasks = server.request("GET", "/api/v1/tasks", &allowed, None).json();
    assert_eq!(tasks.as_array().map(Vec::len), Some(1), "no refused request made one");
}

#[test]
fn ranges_come_once_and_tags_in_any_number_of_lines() {
    let server = TestServer::start();
    let project = server.create("One");
    let asked = json!({"prompt": "x", "steps": 1, "width": 64, "height": 64});
    let task = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &asked).json()["tasks"]
        [0]
    .clone();
    server.wait_for_task(&task["task_id"], "completed");
    let path = task["preview_path"].as_str().expect("a path").to_owned();
    let etag = server.get(&path).header("etag").to_owned();
    let line = format!("GET {path}");
    let once = ["range: bytes=0-3".to_owned()];
    assert_eq!(server.request("GET", &path, &[("range", "bytes=0-3")], None).status, 206);
    let (status, text) = answer(&server, &line, &[&once[..], &["range: bytes=4-7".to_owned()]].concat(), "");
    assert_eq!(status, 400, "{text}");
    assert!(text.contains("Range"), "{text}");
    for lines in [[&etag[..], "\"other\""], ["\"other\"", &etag]] {
        let lines: Vec<String> = lines.iter().map(|tag| format!("if-none-match: {tag}")).collect();
        assert_eq!(answer(&server, &line, &lines, "").0, 304, "{lines:?}");
    }
}
