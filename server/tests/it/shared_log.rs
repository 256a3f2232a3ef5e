//! The server on PostgreSQL: events outlive it.

use crate::support::{Events, TestServer};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

const WITHIN: Duration = Duration::from_secs(60);

/// The address of a new database; none if PostgreSQL is not installed.
fn database() -> Option<String> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let name = format!("servers_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    Some(test_postgres::cluster()?.create(&name))
}

fn generate(server: &TestServer, project: &Value, steps: u64) -> Value {
    let asked = json!({"prompt": "a red car", "width": 256, "height": 256, "steps": steps, "seed": 7});
    let answer = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &asked);
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()["tasks"][0].clone()
}

/// The server is killed while it makes a picture, and another takes its place. A client that connects again with the last
/// number that it got hears of everything in between, without reading everything again.
#[test]
fn a_client_continues_where_a_killed_server_ended() {
    let Some(url) = database() else { return };
    let options = ["--device", "cpu", "--database-url", &url];
    let server = TestServer::start_with(&options);
    let project = server.create("Again");
    let mut events = Events::connect(&server, "");
    let epoch = events.hello["epoch"].as_str().expect("an epoch").to_owned();
    let made = generate(&server, &project, 40);
    let received = events.until("generation_progress", WITHIN);
    let since = received.last().expect("received")["seq"].as_u64().expect("a number");
    let server = TestServer::start_in(server.kill(), &options);
    let mut events = Events::connect(&server, &format!("?epoch={epoch}&since={since}"));
    assert_eq!(events.hello["epoch"], json!(epoch), "the log is the same");
    let received = events.until("generation_completed", Duration::from_secs(120));
    let numbers: Vec<_> = received.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert!(numbers.iter().all(|number| *number > since) && numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let is_step = |event: &Value| event["type"] == "generation_progress" || event["type"] == "generation_completed";
    let of_task = |event: &&Value| event["data"]["task_id"] == made["task_id"] && !is_step(event);
    let names: Vec<_> =
        received.iter().filter(of_task).map(|event| (&event["type"], &event["data"]["attempt"])).collect();
    let (interrupted, started) = (json!("generation_interrupted"), json!("generation_started"));
    let frame = json!("frame_updated");
    let expected = [(&interrupted, &json!(1)), (&frame, &Value::Null), (&started, &json!(2)), (&frame, &Value::Null)];
    assert_eq!(names, expected, "{received:?}");
    let reason = &received.iter().find(|event| event["type"] == interrupted).expect("received")["data"]["reason"];
    assert_eq!(reason, "the server ended unexpectedly");
    assert!(received.iter().all(|event| event["type"] != "resync"));
}

/// Promise 1 on PostgreSQL, where events reach clients by way of the log: the answer still comes last.
#[test]
fn the_answer_comes_after_the_events() {
    let Some(url) = database() else { return };
    let server = TestServer::start_with(&["--device", "cpu", "--database-url", &url]);
    let project = server.create("Answered");
    for _ in 0..20 {
        let before = Events::connect(&server, "").hello;
        assert_eq!(server.request("POST", "/api/v1/queue/pause", &[], None).status, 200);
        let made = generate(&server, &project, 1);
        let hello = Events::connect(&server, "").hello;
        let (epoch, seq) = (before["epoch"].as_str().expect("an epoch"), &before["seq"]);
        let mut events = Events::connect(&server, &format!("?epoch={epoch}&since={seq}"));
        let received = events.until("frame_created", WITHIN);
        let created = received.last().expect("received");
        assert_eq!(created["data"]["path"], made["preview_path"]);
        assert!(created["seq"].as_u64() <= hello["seq"].as_u64(), "{created} came after the answer, {hello}");
    }
}

/// The log's epoch outlives a server, but a page that is open has the models of the last start.
#[test]
fn open_pages_read_everything_again_after_a_start_with_another_model() {
    let Some(url) = database() else { return };
    let options = ["--device", "cpu", "--database-url", &url];
    let server = TestServer::start_with(&options);
    let epoch = Events::connect(&server, "").hello["epoch"].clone();
    let server = TestServer::start_in(server.stop().2, &options);
    assert_eq!(Events::connect(&server, "").hello["epoch"], epoch, "nothing has changed");
    let other = ["--model", "../crates/sdxl/tests/fixtures/tiny/single-f16.safetensors"];
    let server = TestServer::start_in(server.stop().2, &[&options[..], &other].concat());
    let since = format!("?epoch={}&since=65536", epoch.as_str().expect("an epoch"));
    let mut events = Events::connect(&server, &since);
    assert_ne!(events.hello["epoch"], epoch);
    events.until("resync", WITHIN);
}
