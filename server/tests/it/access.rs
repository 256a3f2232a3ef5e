//! Access control: sign-in, sessions and their lifetime, and the allowed host names.

use crate::support::{Answer, TestServer, run};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Instant,
};
use tungstenite::client::IntoClientRequest;

const PASSWORD: &str = "correct horse";
const TOKEN: &str = "0123456789abcdef-token";

fn locked() -> TestServer {
    TestServer::start_with(&["--password", PASSWORD, "--token", TOKEN])
}

fn sign_in(server: &TestServer, password: &str, headers: &[(&str, &str)]) -> Answer {
    let form = format!("password={}&to=%2Fprojects%2F7%3Fx%3D1", password.replace(' ', "+"));
    let headers = [&[("content-type", "application/x-www-form-urlencoded")], headers].concat();
    server.request("POST", "/sign-in", &headers, Some(form.as_bytes()))
}

/// Value for the `Cookie` request header.
fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
}

/// Opens `/ws` with these headers. `Err` holds the HTTP status of a refusal.
fn socket(server: &TestServer, headers: &[(&'static str, &str)]) -> Result<tungstenite::WebSocket<TcpStream>, u16> {
    let address = server.url.trim_start_matches("http://");
    let stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("a timeout");
    let mut request = format!("ws://{address}/ws").into_client_request().expect("a request");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a header"));
    }
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
            Err(response.status().as_u16())
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn without_a_password_only_loopback_is_listened_on() {
    let output = run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("--password") && error.contains("--token"), "{error}");
    for (option, value) in [("--password", "1234567"), ("--token", "short"), ("--password-file", "/nonexistent")] {
        let output = run(&["serve", "--listen", "127.0.0.1:0", option, value]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{option}");
        assert!(error.contains(option), "{error}");
    }
}

#[test]
fn who_is_not_signed_in_gets_nothing() {
    let server = locked();
    let programs = ["/api/v1/projects", "/api/v1/nothing", "/api/v1/docs", "/metrics", "/media/x.png", "/ws", "/fn/x"];
    for path in programs {
        let answer = server.get(path);
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{path}");
    }
    for path in ["/", "/projects/1", "/nothing"] {
        let page = server.get(path);
        assert_eq!(page.status, 401, "{path}");
        assert!(page.text.contains("type=\"password\"") && !page.text.contains("<script"), "{path}");
        assert!(page.text.contains(&format!("value=\"{path}\"")), "the form comes back to {path}");
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
    }
    let new = json!({"name": "x", "width": 64, "height": 64, "fps": 1});
    assert_eq!(server.send("POST", "/api/v1/projects", &new).status, 401);
    assert_eq!(socket(&server, &[]).err(), Some(401));
    assert_eq!(server.get("/health/live").status, 200);
    assert_eq!(server.get("/health/ready").status, 200);
    assert_eq!(server.get("/sign-in").status, 200);
    // Markup in the query string is escaped.
    let page = server.get("/?%22%3E%3Cscript%3E");
    assert!(!page.text.contains("<script"), "{}", page.text);
}

#[test]
fn a_session_lets_in_until_it_is_ended_and_its_sockets_close() {
    let server = locked();
    let answer = sign_in(&server, PASSWORD, &[("origin", &server.url.clone())]);
    assert_eq!((answer.status, answer.header("location")), (303, "/projects/7?x=1"));
    let set = answer.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure"), "this page came by http: {set}");
    let session = cookie(&answer);
    assert_eq!(session.split_once('=').expect("a pair").1.len(), 64, "256 bits");
    let signed_in = [("cookie", session.as_str())];
    assert_eq!(server.request("GET", "/api/v1/projects", &signed_in, None).status, 200);
    assert_eq!(server.request("GET", "/", &signed_in, None).status, 200);
    assert!(server.request("GET", "/sign-in", &signed_in, None).text.contains("/sign-out"));
    let mut open = socket(&server, &signed_in).expect("a socket");

    let other = cookie(&sign_in(&server, PASSWORD, &[]));
    assert_ne!(other, session, "each session has its own key");
    let out = server.request("POST", "/sign-out", &signed_in, Some(b""));
    assert_eq!((out.status, out.header("location")), (303, "/sign-in"));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(server.request("GET", "/api/v1/projects", &signed_in, None).status, 401);
    assert_eq!(server.request("GET", "/api/v1/projects", &[("cookie", &other)], None).status, 200, "the other stays");
    let closed = std::iter::repeat_with(|| open.read()).take(20).find_map(|read| match read {
        Ok(tungstenite::Message::Close(frame)) => frame,
        _ => None,
    });
    assert_eq!(closed.expect("closed").reason.as_str(), "signed out");
}

#[test]
fn the_token_lets_programs_in_and_nothing_else_does() {
    let server = locked();
    let get = |value: &str| server.request("GET", "/api/v1/projects", &[("authorization", value)], None).status;
    assert_eq!(get(&format!("Bearer {TOKEN}")), 200);
    assert_eq!(get(&format!("bearer {TOKEN}")), 200);
    let wrong = [TOKEN, "Bearer", "Bearer ", "Bearer x", &format!("Basic {TOKEN}"), &format!("Bearer {PASSWORD}")];
    for wrong in wrong {
        assert_eq!(get(wrong), 401, "{wrong}");
    }
    socket(&server, &[("authorization", &format!("Bearer {TOKEN}"))]).expect("a socket");
    assert_eq!(sign_in(&server, TOKEN, &[]).status, 303, "a person may type it");
    let foreign = [("authorization", format!("Bearer {TOKEN}")), ("origin", "http://evil.example".to_owned())];
    let foreign: Vec<_> = foreign.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(server.request("GET", "/api/v1/projects", &foreign, None).status, 403, "the Origin counts all the same");
}

#[test]
fn wrong_passwords_are_slow_and_leave_no_cookie() {
    let server = locked();
    let began = Instant::now();
    for wrong in ["wrong password", ""] {
        let answer = sign_in(&server, wrong, &[]);
        assert_eq!((answer.status, answer.header("set-cookie")), (401, ""));
        assert!(answer.text.contains("not the password"), "{}", answer.text);
    }
    assert!(began.elapsed().as_secs_f64() >= 2.0, "two attempts took {:?}", began.elapsed());
    let crowd: Vec<u16> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..14).map(|_| scope.spawn(|| sign_in(&server, "wrong password", &[]).status)).collect();
        tries.into_iter().map(|each| each.join().expect("no panic")).collect()
    });
    assert!(crowd.contains(&429) && crowd.iter().all(|status| matches!(status, 401 | 429)), "{crowd:?}");
    assert_eq!(server.get("/health/live").status, 200);
    assert_eq!(sign_in(&server, PASSWORD, &[]).status, 303, "and then the right one");
    let (_, log, _) = server.stop();
    assert!(log.contains("wrong password was tried"), "{log}");
    assert!(!log.contains(PASSWORD) && !log.contains(TOKEN), "no secret in the log:\n{log}");
}

#[test]
fn a_password_comes_from_a_file_and_a_form_is_checked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "from a file\n").expect("written");
    let server = TestServer::start_with(&["--password-file", file.to_str().expect("UTF-8")]);
    assert_eq!(sign_in(&server, "from a file", &[]).status, 303);
    let broken = server.request("POST", "/sign-in", &[("content-type", "application/json")], Some(b"{}"));
    assert_eq!(broken.status, 422);
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let away = server.request("POST", "/sign-in", &kind, Some(b"password=from+a+file&to=//evil.example"));
    assert_eq!((away.status, away.header("location")), (303, "/"), "never to another site");
}

#[test]
fn an_open_address_answers_to_addresses_and_to_configured_names() {
    let options = ["--listen", "0.0.0.0:0", "--token", TOKEN, "--host", "studio.example,other.example:8443"];
    let server = TestServer::start_with(&options);
    let port = server.url.rsplit(':').next().expect("a port").to_owned();
    let authorization = format!("Bearer {TOKEN}");
    let get = |host: &str, origin: &str| {
        let headers = [("authorization", authorization.as_str()), ("host", host), ("origin", origin)];
        let count = if origin.is_empty() { 2 } else { 3 };
        server.request("GET", "/api/v1/projects", &headers[..count], None).status
    };
    let by_port = [format!("192.168.1.5:{port}"), format!("studio.example:{port}"), format!("localhost:{port}")];
    for own in by_port.iter().map(String::as_str).chain(["studio.example", "other.example:8443"]) {
        assert_eq!(get(own, ""), 200, "{own}");
    }
    assert_eq!(get("studio.example", "https://studio.example"), 200);
    for foreign in ["evil.example", "other.example", &format!("evil.example:{port}")] {
        assert_eq!(get(foreign, ""), 403, "{foreign}");
    }
    assert_eq!(get("studio.example", "https://evil.example"), 403);
    let host = [("host", "studio.example"), ("origin", "https://studio.example")];
    assert!(sign_in(&server, TOKEN, &host).header("set-cookie").contains("; Secure"), "reached by https");
}

#[test]
fn an_address_through_a_tunnel_needs_no_name() {
    let server = TestServer::start();
    let get = |host: &str, origin: Option<&str>| {
        let headers: Vec<_> = [("host", host)].into_iter().chain(origin.map(|origin| ("origin", origin))).collect();
        server.request("GET", "/api/v1/projects", &headers, None)
    };
    for host in ["127.0.0.1:8080", "192.168.1.5", "[::1]:8080", "localhost:8080", "LOCALHOST", "studio.localhost:1"] {
        assert_eq!(get(host, None).status, 200, "{host}");
        for own in ["http", "https"].map(|scheme| format!("{scheme}://{host}")) {
            assert_eq!(get(host, Some(&own)).status, 200, "{own}");
            socket(&server, &[("host", host), ("origin", &own)]).expect("a socket");
        }
        assert_eq!(get(host, Some("http://evil.example")).status, 403, "{host}");
        assert_eq!(socket(&server, &[("host", host), ("origin", "http://evil.example")]).err(), Some(403), "{host}");
    }
    let refused = get("studio.lan:8080", None);
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("--host studio.lan:8080"), "it says what to do: {}", refused.text);
    assert_eq!(get("evil.example", Some("http://evil.example")).status, 403, "the same origin, but not this server's");
    assert_eq!(raw(&server, "GET /api/v1/projects HTTP/1.1\r\nconnection: close\r\n\r\n"), 400, "no Host");
    let two = "GET /api/v1/projects HTTP/1.1\r\nhost: 127.0.0.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert_eq!(raw(&server, two), 400, "two Hosts");
    let absolute = "GET http://evil.example/ HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    assert_eq!(raw(&server, absolute), 403, "a foreign name in the request line");
    assert_eq!(raw(&server, "GET /health/live HTTP/1.0\r\n\r\n"), 200, "HTTP/1.0 needs no Host");
}

/// Sends a raw request and returns the status of the answer.
fn raw(server: &TestServer, request: &str) -> u16 {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).expect("connects");
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no status in {answer:?}"))
}

#[test]
fn a_refused_host_is_logged_in_few_short_lines() {
    let server = TestServer::start();
    let long = format!("{}.example", "x".repeat(63).repeat(3));
    let path = format!("/{}", "y".repeat(4000));
    for _ in 0..30 {
        let answer = server.request("GET", &path, &[("host", &long)], None);
        assert_eq!(answer.status, 403);
        assert!(answer.text.len() < 500, "{}", answer.text);
    }
    let (_, log, _) = server.stop();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("refused a Host")).collect();
    assert!((1..=5).contains(&lines.len()), "{log}");
    assert!(lines.iter().all(|line| line.len() < 300), "{lines:?}");
}

#[test]
fn behind_a_password_no_shared_cache_stores_anything() {
    let authorization = format!("Bearer {TOKEN}");
    let token = [("authorization", authorization.as_str())];
    for (server, is_open) in [(TestServer::start(), true), (locked(), false)] {
        let new = json!({"name": "x", "width": 64, "height": 64, "fps": 1}).to_string();
        let json = [("content-type", "application/json"), token[0]];
        let project = server.request("POST", "/api/v1/projects", &json, Some(new.as_bytes())).json();
        let frames = format!("/api/v1/projects/{}/frames", project["id"]);
        let frame = server.request("POST", &frames, &token, Some(b"")).json();
        let path = frame["path"].as_str().expect("a path");
        let etag = server.request("GET", path, &token, None).header("etag").trim_matches('"').to_owned();
        let exports = format!("/api/v1/projects/{}/exports", project["id"]);
        let export = server.request("POST", &exports, &json, Some(br#"{"format": "zip"}"#)).json();
        let deadline = Instant::now() + std::time::Duration::from_secs(30);
        let file = loop {
            let export = server.request("GET", &format!("/api/v1/exports/{}", export["id"]), &token, None).json();
            if let Some(path) = export["path"].as_str() {
                break path.to_owned();
            }
            assert!(Instant::now() < deadline, "{export}");
        };
        let versioned = format!("{path}?v={etag}");
        let policy = |path: &str| server.request("GET", path, &token, None).header("cache-control").to_owned();
        let (immutable, checked) = match is_open {
            true => ("public, max-age=31536000, immutable", "no-cache"),
            false => ("private, max-age=31536000, immutable", "private, no-cache"),
        };
        assert_eq!(policy(&versioned), immutable);
        let same = [token[0], ("if-none-match", &format!("\"{etag}\""))];
        let unchanged = server.request("GET", &versioned, &same, None);
        assert_eq!((unchanged.status, unchanged.header("cache-control")), (304, immutable));
        let part = server.request("GET", &versioned, &[token[0], ("range", "bytes=0-9")], None);
        assert_eq!((part.status, part.header("cache-control")), (206, immutable));
        for path in [path, &file] {
            assert_eq!(policy(path), checked, "{path}");
        }
        for path in ["/", "/nothing", "/api/v1/projects", "/api/v1/docs", "/api/v1/nothing", "/media/x.png", "/metrics"]
        {
            assert_eq!(policy(path), "no-store", "{path}");
        }
        if !is_open {
            for path in [versioned.as_str(), &file, "/", "/api/v1/projects", "/sign-in"] {
                assert_eq!(server.get(path).header("cache-control"), "no-store", "{path} without the token");
            }
        }
    }
}

#[test]
fn a_wrong_token_is_slow_and_logged_and_the_right_one_is_not_held_up() {
    let server = TestServer::start_with(&["--token", TOKEN]);
    let get = |token: &str| {
        server.request("GET", "/api/v1/projects", &[("authorization", &format!("Bearer {token}"))], None).status
    };
    let began = Instant::now();
    assert_eq!((get("wrong-token-0123456789"), get("wrong-token-0123456789")), (401, 401));
    assert!(began.elapsed().as_secs_f64() >= 2.0, "two attempts took {:?}", began.elapsed());
    std::thread::scope(|scope| {
        let tries: Vec<_> = (0..14).map(|_| scope.spawn(|| get("wrong-token-0123456789"))).collect();
        let began = Instant::now();
        for _ in 0..20 {
            assert_eq!(get(TOKEN), 200, "while others are wrong at the same address");
        }
        assert_eq!(sign_in(&server, TOKEN, &[]).status, 303, "and a person signs in");
        assert!(began.elapsed().as_secs_f64() < 3.0, "{:?}", began.elapsed());
        let crowd: Vec<u16> = tries.into_iter().map(|each| each.join().expect("no panic")).collect();
        assert!(crowd.contains(&429) && crowd.iter().all(|status| matches!(status, 401 | 429)), "{crowd:?}");
    });
    let (_, log, _) = server.stop();
    assert!(log.contains("a wrong token was tried") && log.contains("client=127.0.0.1"), "{log}");
    assert!(!log.contains("wrong-token"), "{log}");
}

#[test]
fn a_flood_from_one_address_locks_nobody_else_out() {
    let server = TestServer::start_with(&["--password", PASSWORD, "--trust-proxy", "127.0.0.0/8"]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    // The first address was written by the client and must be ignored.
                    sign_in(&server, "wrong password", &[("x-forwarded-for", "198.51.100.9, 203.0.113.7")]);
                }
            });
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
        for number in 0..20 {
            let began = Instant::now();
            let answer = sign_in(&server, PASSWORD, &[("x-forwarded-for", "198.51.100.9")]);
            assert_eq!(answer.status, 303, "try {number}");
            assert!(began.elapsed().as_secs_f64() < 2.0, "try {number} took {:?}", began.elapsed());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let (_, log, _) = server.stop();
    assert!(log.contains("client=203.0.113.7") && !log.contains("client=198.51.100.9"), "{log}");
}

#[test]
fn only_a_trusted_proxy_says_whom_a_request_is_from() {
    let server = locked();
    let crowd: Vec<u16> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..14)
            .map(|number| {
                let forwarded = format!("203.0.113.{number}");
                let server = &server;
                scope.spawn(move || sign_in(server, "wrong password", &[("x-forwarded-for", &forwarded)]).status)
            })
            .collect();
        tries.into_iter().map(|each| each.join().expect("no panic")).collect()
    });
    assert!(crowd.contains(&429), "all of them are 127.0.0.1: {crowd:?}");
    let output = run(&["serve", "--listen", "127.0.0.1:0", "--trust-proxy", "10.0.0.0/33"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--trust-proxy"));
}
