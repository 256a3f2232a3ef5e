//! The server under a base path: every URL that it writes starts with the path and resolves.

use crate::support::{Answer, Events, TestServer, emberline, request, run};
use serde_json::{Value, json};
use std::{fs, time::Duration};

const BASE: &str = "/studio/a";

fn start(more: &[&str]) -> TestServer {
    let server = TestServer::start_with(&[&["--base-path", BASE], more].concat());
    assert_eq!(server.url, format!("{}{BASE}", server.origin()), "the line that it prints");
    server
}

/// Requests a path exactly as the server's answer wrote it, base path included.
fn at(server: &TestServer, path: &str) -> Answer {
    request(&format!("{}{path}", server.origin()), "GET", &[], None).expect("the server answers")
}

/// URLs in a page: of links, images, scripts, style sheets and forms.
fn addresses(page: &str) -> Vec<String> {
    let after = |name: &str| page.split(&format!(" {name}=\"")).skip(1).map(str::to_owned).collect::<Vec<_>>();
    let values = ["href", "src", "action"].into_iter().flat_map(after);
    values.map(|rest| rest.split('"').next().unwrap_or_default().replace("&amp;", "&")).collect()
}

/// All strings in a JSON value that are paths.
fn paths(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.starts_with('/') => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(paths).collect(),
        Value::Object(fields) => fields.values().flat_map(paths).collect(),
        _ => Vec::new(),
    }
}

fn assert_all_under(found: &[String], at_least: usize, of: &str) {
    assert!(found.len() >= at_least, "{of}: {found:?}");
    for path in found {
        let own = path.starts_with('#') || path.starts_with(&format!("{BASE}/"));
        assert!(own && !path.contains(&format!("{BASE}{BASE}")), "{of}: {path}");
    }
}

/// Generates a take. Returns the answer to the request and the events up to completion.
fn generated(server: &TestServer, project: &Value) -> (Value, Vec<Value>) {
    let mut events = Events::connect(server, "");
    let new = json!({"prompt": "a star", "steps": 2, "width": 64, "height": 64});
    let made = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &new);
    assert_eq!(made.status, 202, "{}", made.text);
    (made.json(), events.until("generation_completed", Duration::from_secs(60)))
}

#[test]
fn everything_is_under_the_base_path_and_the_root_leads_there() {
    let server = start(&[]);
    for (path, status, to) in [
        ("/", 307, "/studio/a/"),
        ("/?deleted=1", 307, "/studio/a/?deleted=1"),
        (BASE, 307, "/studio/a/"),
        ("/studio/a?x=1", 307, "/studio/a/?x=1"),
        ("/studio/a/", 200, ""),
        ("/studio/a/health/live", 200, ""),
        ("/studio/a/metrics", 200, ""),
        ("/studio/a/api/v1/docs", 200, ""),
        ("/health/live", 404, ""),
        ("/api/v1/projects", 404, ""),
        ("/studio/", 404, ""),
        ("/studio/ab/", 404, ""),
        ("/studio/a/nothing", 404, ""),
    ] {
        let answer = at(&server, path);
        assert_eq!((answer.status, answer.header("location")), (status, to), "{path}");
    }
    assert!(at(&server, "/health/live").text.contains("/studio/a/"), "it says where it is");
}

#[test]
fn answers_and_events_name_paths_that_can_be_fetched() {
    let server = start(&[]);
    let new = json!({"name": "Under", "width": 64, "height": 64, "fps": 12});
    let created = server.send("POST", "/api/v1/projects", &new);
    assert_eq!(created.header("location"), format!("{BASE}/api/v1/projects/1"));
    assert_eq!(at(&server, created.header("location")).status, 200);
    let (made, heard) = generated(&server, &created.json());
    let task = &made["tasks"][0];
    let picture = task["preview_path"].as_str().expect("a path").to_owned();
    assert!(picture.starts_with("/studio/a/media/"), "{picture}");
    assert_eq!((at(&server, &picture).status, at(&server, &picture).header("content-type")), (200, "image/png"));
    for kind in ["frame_created", "generation_started", "generation_progress", "generation_completed"] {
        let event = heard.iter().find(|event| event["type"] == kind).unwrap_or_else(|| panic!("{kind}: {heard:?}"));
        let received = paths(event);
        assert!(!received.is_empty() && received.iter().all(|path| *path == picture), "{kind}: {event}");
    }
    let exported = server.send("POST", "/api/v1/projects/1/exports", &json!({"format": "zip"})).json();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let file = loop {
        let export = server.get(&format!("/api/v1/exports/{}", exported["id"])).json();
        if let Some(path) = export["path"].as_str() {
            break path.to_owned();
        }
        assert!(std::time::Instant::now() < deadline, "{export}");
    };
    assert_eq!(at(&server, &file).status, 200, "{file}");
    for list in ["/api/v1/projects", "/api/v1/projects/1/frames", "/api/v1/frames/1/takes", "/api/v1/tasks"] {
        assert_all_under(&paths(&server.get(list).json()), 1, list);
    }
    let document = server.get("/api/v1/openapi.json").json();
    assert_eq!(document["servers"], json!([{"url": BASE}]));
}

#[test]
fn pages_link_only_under_the_base_path() {
    let site = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(site.path().join("pkg")).expect("made");
    fs::write(site.path().join("pkg/emberline.css"), "a {}").expect("written");
    let server = start(&["--site-root", site.path().to_str().expect("UTF-8")]);
    let project = server.create("Under");
    generated(&server, &project);
    for (page, at_least) in [("/", 8), ("/?deleted=1", 9), ("/projects/1", 12), ("/projects/9", 6), ("/api/v1/docs", 3)]
    {
        let answer = server.get(page);
        assert_all_under(&addresses(&answer.text), at_least, page);
        assert!(!answer.text.contains("\"/pkg") && !answer.text.contains("\"/media"), "{page}: {}", answer.text);
    }
    let first = server.get("/").text;
    assert!(first.contains("data-base=\"/studio/a\""), "what the script reads");
    let style = addresses(&first).into_iter().find(|address| address.ends_with(".css")).expect("a style sheet");
    assert_eq!(at(&server, &style).text, "a {}");
}

#[test]
fn forms_without_script_lead_back_under_it() {
    let server = start(&[]);
    let form = [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html")];
    let post = |path: &str, body: &str| server.request("POST", path, &form, Some(body.as_bytes()));
    let made = post("/fn/projects/create", "name=Posted&size=1024x1024&width=&height=&fps=12");
    assert_eq!((made.status, made.header("location")), (302, "/studio/a/projects/1"), "{}", made.text);
    assert_eq!(post("/fn/projects/delete", "id=1").header("location"), "/studio/a/?deleted=1");
    assert_eq!(post("/fn/projects/restore", "id=1").header("location"), "/studio/a/");
    let theme = post("/fn/theme/set", "theme=dark");
    assert!(theme.header("set-cookie").contains("; Path=/studio/a;"), "{}", theme.header("set-cookie"));
}

#[test]
fn people_sign_in_and_out_under_it() {
    let server = start(&["--password", "correct horse"]);
    let page = at(&server, "/studio/a/projects/7");
    assert_eq!(page.status, 401);
    assert_all_under(&addresses(&page.text), 3, "the sign-in page");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let to = "password=correct+horse&to=%2Fprojects%2F7";
    let answer = server.request("POST", "/sign-in", &form, Some(to.as_bytes()));
    assert_eq!((answer.status, answer.header("location")), (303, "/studio/a/projects/7"));
    assert!(answer.header("set-cookie").contains("; Path=/studio/a;"), "{}", answer.header("set-cookie"));
    let cookie = answer.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    let signed_in = server.request("GET", "/sign-in", &[("cookie", &cookie)], None);
    assert_all_under(&addresses(&signed_in.text), 3, "for who is signed in");
    let out = server.request("POST", "/sign-out", &[("cookie", &cookie)], Some(b""));
    assert_eq!(out.header("location"), "/studio/a/sign-in");
    assert!(out.header("set-cookie").contains("Path=/studio/a;"), "{}", out.header("set-cookie"));
}

#[test]
fn a_base_path_that_is_none_is_refused_and_the_environment_sets_it() {
    for bad in ["studio", "/a b", "/a//b", "/../x", "http://a/b"] {
        let output = run(&["serve", "--listen", "127.0.0.1:0", "--base-path", bad]);
        assert_eq!(output.status.code(), Some(2), "{bad}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--base-path"), "{bad}");
    }
    let help = emberline().args(["serve", "--help"]).output().expect("the binary starts");
    assert!(String::from_utf8_lossy(&help.stdout).contains("EMBERLINE_BASE_PATH"));
    let plain = TestServer::start_with(&["--base-path", "/"]);
    assert_eq!(plain.url, plain.origin());
    assert_eq!(plain.get("/health/live").status, 200, "no base path at all");
}
