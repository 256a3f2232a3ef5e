//! Server-rendered pages, requested without JavaScript.

use crate::support::{Answer, TestServer};

/// Posts a form of the start page as a browser without JavaScript does.
fn post_form(server: &TestServer, path: &str, form: &[u8]) -> Answer {
    let referer = format!("{}/", server.url);
    let kind = ("content-type", "application/x-www-form-urlencoded");
    server.request("POST", path, &[kind, ("accept", "text/html"), ("referer", &referer)], Some(form))
}

#[test]
fn the_first_page_shows_the_projects_as_text() {
    let server = TestServer::start();
    server.create("Storm over the bay");
    server.create("<script>alert(1)</script>");
    let page = server.get("/");
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Storm over the bay"));
    assert!(page.text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "shown as text");
    assert!(!page.text.contains("<script>alert(1)"), "never as markup");
}

#[test]
fn every_page_forbids_foreign_script() {
    let server = TestServer::start();
    let policy = server.get("/").header("content-security-policy").to_owned();
    assert!(policy.contains("script-src 'nonce-") && policy.contains("'wasm-unsafe-eval'"), "{policy}");
    assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{policy}");
    assert_ne!(policy, server.get("/").header("content-security-policy"), "a nonce is used once");
    assert_eq!(server.get("/").header("x-content-type-options"), "nosniff");
}

#[test]
fn what_does_not_exist_is_a_page_with_status_404() {
    let server = TestServer::start();
    for path in ["/nothing/here", "/projects/1", "/projects/abc", "/projects/99999999999999999999", "/pkg/nothing.js"] {
        let page = server.get(path);
        assert_eq!(page.status, 404, "{path}");
        assert!(page.text.contains("<html"), "{path} answers with a page");
    }
}

#[test]
fn a_form_without_script_makes_a_project_and_comes_back() {
    let server = TestServer::start();
    let form = b"name=Posted&size=1024x1024&width=&height=&fps=12";
    let answer = post_form(&server, "/fn/projects/create", form);
    assert!((300..400).contains(&answer.status), "{} {}", answer.status, answer.text);
    assert_eq!(server.names(), ["Posted"]);
}

#[test]
fn a_bad_form_without_script_stores_nothing_and_names_the_field() {
    let server = TestServer::start();
    let form = b"name=&size=custom&width=0&height=7&fps=0";
    let answer = post_form(&server, "/fn/projects/create", form);
    assert!((300..400).contains(&answer.status), "{} {}", answer.status, answer.text);
    let page = server.get(answer.header("location").trim_start_matches(&server.url));
    for message in ["must not be empty", "not 0", "not 7", "1 to 60"] {
        assert!(page.text.contains(message), "the page does not say {message:?}");
    }
    assert!(server.names().is_empty());
}
