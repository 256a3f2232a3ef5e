//! Many endless connections and bodies. Other users must be served, generations must complete, memory must be released,
//! and SIGTERM must be quick.

use super::{Scale, resident_bytes, wait_for_memory_below};
use crate::support::TestServer;
use serde_json::json;
use std::{
    io::Write,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

const PASSWORD: &str = "correct horse battery staple";

pub fn run(scale: Scale) {
    let server = TestServer::start_with(&["--password", PASSWORD, "--token", "0123456789abcdef0123"]);
    let bearer = [("authorization", "Bearer 0123456789abcdef0123"), ("content-type", "application/json")];
    let ask = |method, path: &str, body: Option<String>| {
        server.request(method, path, &bearer, body.as_deref().map(str::as_bytes))
    };
    let new = json!({"name": "Flooded", "width": 64, "height": 64, "fps": 12}).to_string();
    let project = ask("POST", "/api/v1/projects", Some(new)).json()["id"].clone();
    let generate = || {
        let body = json!({"prompt": "a star", "steps": 300, "width": 64, "height": 64}).to_string();
        ask("POST", &format!("/api/v1/projects/{project}/generations"), Some(body)).json()["tasks"][0]["task_id"]
            .clone()
    };
    let finish = |task: &serde_json::Value| {
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            let now = ask("GET", &format!("/api/v1/tasks/{task}"), None).json();
            match now["status"].as_str() {
                Some("completed") => return,
                Some("queued" | "running") => assert!(Instant::now() < deadline, "{now}"),
                _ => panic!("{now}"),
            }
            thread::sleep(Duration::from_millis(50));
        }
    };
    finish(&generate());
    let at_rest = resident_bytes(&server);

    let task = generate();
    let address = server.url.trim_start_matches("http://").to_owned();
    let connect = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(&address).ok()?;
        stream.set_write_timeout(Some(Duration::from_millis(200))).ok()?;
        stream.write_all(bytes).ok();
        Some(stream)
    };
    let half: Vec<_> =
        (0..scale.half_requests).filter_map(|_| connect(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ")).collect();
    let slowest = (0..10).map(|_| served(&|| ask("GET", "/health/live", None).status)).max().expect("ten");
    println!("{} half requests are open; the slowest of 10 answers beside them took {slowest:?}", half.len());
    assert!(slowest < Duration::from_secs(15), "a person waited {slowest:?}");
    finish(&task);

    let head = "POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let large = format!("{head}Content-Length: 1048576\r\n\r\npassword={}", "x".repeat(1 << 20));
    let bodies: Vec<_> = (0..scale.large_bodies).filter_map(|_| connect(large.as_bytes())).collect();
    println!("{} large bodies; {:?} MB resident", bodies.len(), resident_bytes(&server).map(|bytes| bytes >> 20));
    drop((half, bodies));
    if let Some(at_rest) = at_rest {
        wait_for_memory_below(&server, 2 * at_rest, Duration::from_secs(30));
    }
    finish(&generate());

    let _trickle: Vec<_> =
        (0..5).filter_map(|_| connect(format!("{head}Content-Length: 100\r\n\r\npass").as_bytes())).collect();
    let started = Instant::now();
    let (status, log, _) = server.stop();
    assert!(status.success(), "{log}");
    let took = started.elapsed();
    println!("SIGTERM beside five half requests took {took:?}");
    assert!(took < Duration::from_secs(5), "SIGTERM took {took:?}");
}

/// Time until the request is answered. Retries while the server is overloaded (503).
fn served(ask: &dyn Fn() -> u16) -> Duration {
    let started = Instant::now();
    loop {
        match ask() {
            200 => return started.elapsed(),
            503 => thread::sleep(Duration::from_millis(100)),
            status => panic!("status {status}"),
        }
    }
}
