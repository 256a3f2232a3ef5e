//! `/api/v1/projects` and `/health`.

use crate::support::TestServer;
use serde_json::json;

#[test]
fn a_project_is_made_listed_read_changed_deleted_and_restored() {
    let server = TestServer::start();
    let made = server.create("Storm");
    let path = format!("/api/v1/projects/{}", made["id"]);
    assert_eq!(made["cover"], json!(null));
    assert!(made["created_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{made}");
    assert_eq!(server.get(&path).json(), made);

    let changed = server.send("PATCH", &path, &json!({"name": "Calm", "fps": 24})).json();
    assert_eq!((&changed["name"], &changed["fps"], &changed["width"]), (&json!("Calm"), &json!(24), &json!(1024)));

    let deleted = server.request("DELETE", &path, &[], None);
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    assert_eq!(server.get(&path).status, 404);
    assert_eq!(server.request("DELETE", &path, &[], None).status, 404, "deleting twice");
    assert_eq!(server.send("PATCH", &path, &json!({"name": "Ghost"})).status, 404, "changing what is deleted");
    assert!(server.names().is_empty());

    for _ in 0..2 {
        let restored = server.send("POST", &format!("{path}/restore"), &json!({}));
        assert_eq!((restored.status, &restored.json()["name"]), (200, &json!("Calm")), "restoring, also twice");
    }
    assert_eq!(server.names(), ["Calm"]);
}

#[test]
fn creation_answers_with_the_address() {
    let server = TestServer::start();
    let new = json!({"name": "Storm", "width": 64, "height": 2048, "fps": 60});
    let answer = server.send("POST", "/api/v1/projects", &new);
    assert_eq!(server.get(answer.header("location")).json(), answer.json());
}

#[test]
fn names_are_kept_as_the_text_that_they_are() {
    let server = TestServer::start();
    let names = ["<script>alert(1)</script>", "\"'`; DROP TABLE projects; --", "🔥🐉👩‍👩‍👧", "قصة مصورة", "龍の物語"];
    for name in names {
        assert_eq!(server.create(name)["name"], name);
    }
    let mut listed = server.names();
    listed.sort();
    let mut expected = names.map(str::to_owned);
    expected.sort();
    assert_eq!(listed, expected);
}

#[test]
fn bad_fields_are_named_with_their_limits_and_nothing_is_stored() {
    let server = TestServer::start();
    let good = json!({"name": "x", "width": 512, "height": 512, "fps": 12});
    let cases = [
        ("name", json!(""), "empty"),
        ("name", json!("x".repeat(121)), "120"),
        ("name", json!(7), "120"),
        ("name", json!(null), "120"),
        ("width", json!(0), "64 to 2048"),
        ("width", json!(7), "64 to 2048"),
        ("width", json!(100_000), "64 to 2048"),
        ("width", json!(-8), "64 to 2048"),
        ("width", json!("512"), "64 to 2048"),
        ("height", json!(1001), "multiple of 8"),
        ("height", json!(512.5), "multiple of 8"),
        ("fps", json!(0), "1 to 60"),
        ("fps", json!(61), "1 to 60"),
        ("fps", json!(1e300), "1 to 60"),
        ("fps", json!([12]), "1 to 60"),
    ];
    for (field, value, limit) in cases {
        let mut body = good.clone();
        body[field] = value.clone();
        let answer = server.send("POST", "/api/v1/projects", &body);
        assert_eq!((answer.status, answer.bad_fields()), (422, vec![field.to_owned()]), "{field} = {value}");
        assert!(answer.text.contains(limit), "{field} = {value}: {} does not tell {limit}", answer.text);
    }
    let all = server.send("POST", "/api/v1/projects", &json!({"name": "", "width": 0, "height": 7, "fps": 0}));
    assert_eq!(all.bad_fields(), ["name", "width", "height", "fps"]);
    assert!(server.names().is_empty(), "nothing is stored");
}

#[test]
fn a_body_that_is_no_project_is_refused_in_words() {
    let server = TestServer::start();
    let cases: [(&[u8], u16, &str); 6] = [
        (b"", 400, "not JSON"),
        (b"{\"name\":", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"[]", 422, "invalid"),
        (b"{\"name\":\"x\",\"width\":64,\"height\":64}", 422, "fps"),
        (b"{\"name\":\"x\",\"width\":64,\"height\":64,\"fps\":1,\"colour\":1}", 422, "colour"),
    ];
    for (body, status, word) in cases {
        let answer = server.request("POST", "/api/v1/projects", &[], Some(body));
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(answer.text.contains(word), "{} does not say {word}", answer.text);
    }
    let deep = format!("{{\"colour\":{}", "[".repeat(100_000));
    assert_eq!(server.request("POST", "/api/v1/projects", &[], Some(deep.as_bytes())).status, 422);
    // Repeated: some of these connections break if the server closes them while the client is still sending.
    let huge = vec![b' '; 3 * 1024 * 1024];
    for _ in 0..20 {
        let answer = server.request("POST", "/api/v1/projects", &[], Some(&huge));
        assert_eq!((answer.status, answer.header("content-type")), (413, "application/problem+json"));
    }
    assert!(server.names().is_empty());
}

#[test]
fn what_does_not_exist_is_a_problem_document() {
    let server = TestServer::start();
    for path in ["/projects/1", "/projects/99999999999999999999", "/projects/-1", "/projects/abc", "/nothing"] {
        let answer = server.get(&format!("/api/v1{path}"));
        let document = answer.json();
        assert_eq!((answer.status, &document["status"]), (404, &json!(404)), "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert!(document["title"].is_string() && document["detail"].is_string(), "{document}");
    }
    let answer = server.request("PUT", "/api/v1/projects", &[], Some(b"{}"));
    assert_eq!((answer.status, answer.header("content-type")), (405, "application/problem+json"));
}

#[test]
fn health_is_reported() {
    let server = TestServer::start();
    for path in ["/health/live", "/health/ready"] {
        assert_eq!((server.get(path).status, server.get(path).text.as_str()), (200, "ok"), "{path}");
    }
}

#[test]
fn pages_of_other_origins_and_rebound_hosts_are_refused() {
    let server = TestServer::start();
    let new = json!({"name": "x", "width": 64, "height": 64, "fps": 1}).to_string();
    for (name, value) in [("origin", "http://evil.example"), ("origin", "null"), ("host", "evil.example")] {
        let answer = server.request("POST", "/api/v1/projects", &[(name, value)], Some(new.as_bytes()));
        assert_eq!(answer.status, 403, "{name}: {value}");
    }
    let own = server.url.clone();
    assert_eq!(server.request("POST", "/api/v1/projects", &[("origin", &own)], Some(new.as_bytes())).status, 201);
    assert_eq!(server.names().len(), 1);
}
