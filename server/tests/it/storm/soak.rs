//! Mixed requests, valid and invalid, from several clients. There must be no server error, and memory must not grow.

use super::{
    Scale, random,
    readers::{Readers, Targets},
    resident_bytes,
};
use crate::{
    checker::check,
    support::{TestServer, request},
};
use serde_json::json;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

const CLIENTS: usize = 4;

pub fn run(scale: Scale) {
    let server = TestServer::start_with(&["--concurrency", "2"]);
    let project = server.create("Soaked")["id"].clone();
    let body = json!({"prompt": "a star", "steps": 20, "num_variants": 3, "width": 64, "height": 64});
    let made = server.send("POST", &format!("/api/v1/projects/{project}/generations"), &body).json();
    let paths = made["tasks"].as_array().expect("a list").iter();
    let paths: Vec<_> = paths.map(|task| task["preview_path"].as_str().expect("a path").to_owned()).collect();
    let readers = Readers::start(1);
    readers.aim(Targets { url: server.url.clone(), paths });

    let (started, requests) = (Instant::now(), AtomicUsize::new(0));
    let mut early = None;
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while started.elapsed() < scale.soak {
                    one_request(&server.url, &project.to_string());
                    requests.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(scale.soak / 4);
        early = resident_bytes(&server);
        while started.elapsed() < scale.soak {
            thread::sleep(scale.soak / 40);
            cancel_all(&server);
        }
    });
    cancel_all(&server);
    server.wait_for_idle();
    let late = resident_bytes(&server);
    let reads = readers.finish();
    println!("{} requests and {reads} reads in {:?}", requests.into_inner(), scale.soak);
    if let (Some(early), Some(late)) = (early, late) {
        let (early, late) = (early >> 20, late >> 20);
        println!("{early} MB resident after a quarter, {late} MB at the end");
        assert!(late < early * 3 / 2 + 64, "memory grew from {early} to {late} MB");
    }
    let (status, log, folder) = server.stop();
    assert!(status.success(), "{log}");
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
    check(&folder.path().join("data"));
}

fn cancel_all(server: &TestServer) {
    let queue = server.get("/api/v1/queue").json();
    for task in queue["tasks"].as_array().expect("a list").iter().skip(4) {
        // 409: the task has ended in the meantime.
        let id = task["task_id"].as_i64().or_else(|| task["id"].as_i64()).expect("an id");
        let answer = server.request("POST", &format!("/api/v1/tasks/{id}/cancel"), &[], None);
        assert!(matches!(answer.status, 200 | 404 | 409), "{} {}", answer.status, answer.text);
    }
}

/// Sends a random request. Every status is allowed except server errors, of which a full queue is none: a machine that
/// generates more slowly than the requests arrive fills it.
fn one_request(url: &str, project: &str) {
    let id = random(60).to_string();
    let small = json!({"prompt": "a star", "steps": 1 + random(4), "width": 64, "height": 64}).to_string();
    let wrong = [
        "",
        "{",
        "[]",
        "null",
        "[1,2]",
        "{\"prompt\":5}",
        "{\"prompt\":\"x\",\"steps\":-1}",
        "{\"prompt\":\"x\",\"width\":65}",
        "{\"prompt\":\"x\",\"cfg_scale\":1e300}",
        "\u{0}\u{1}",
        "{\"prompt\":\"x\",\"frame_id\":99999999999999999999}",
    ];
    let wrong = wrong[random(wrong.len() as u64) as usize].to_owned();
    let (method, path, body) = match random(16) {
        0 => ("POST", format!("/api/v1/projects/{project}/generations"), Some(small)),
        1 => ("POST", format!("/api/v1/projects/{project}/generations"), Some(wrong)),
        2 => ("GET", "/".to_owned(), None),
        3 => ("GET", format!("/projects/{project}"), None),
        4 => ("GET", format!("/projects/{id}"), None),
        5 => ("GET", "/api/v1/projects".to_owned(), None),
        6 => ("GET", format!("/api/v1/projects/{project}/frames"), None),
        7 => ("GET", format!("/api/v1/tasks?project_id={project}&limit=50"), None),
        8 => ("GET", format!("/api/v1/frames/{id}/takes"), None),
        9 => ("PATCH", format!("/api/v1/frames/{id}"), Some(json!({"duration": 1 + random(9)}).to_string())),
        10 => ("PATCH", format!("/api/v1/frames/{id}"), Some(wrong)),
        11 => ("DELETE", format!("/api/v1/frames/{id}"), None),
        12 => ("POST", format!("/api/v1/frames/{id}/restore"), None),
        13 => ("POST", format!("/api/v1/tasks/{id}/cancel"), None),
        14 => ("POST", "/fn/projects/create".to_owned(), Some(wrong)),
        _ => ("GET", format!("/media/{id}.png"), None),
    };
    let headers = [("content-type", "application/json")];
    let answer = request(&format!("{url}{path}"), method, &headers, body.as_deref().map(str::as_bytes));
    match answer {
        Ok(answer) => {
            let is_full = answer.status == 503 && answer.text.contains("the queue is full");
            assert!(answer.status < 500 || is_full, "{method} {path} {body:?}: {} {}", answer.status, answer.text);
        }
        Err(error) => panic!("{method} {path} {body:?}: {error}"),
    }
}
