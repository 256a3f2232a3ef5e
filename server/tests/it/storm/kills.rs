//! SIGKILL at random moments while pictures are read; runs the consistency check at the end.

use super::{
    Scale, random,
    readers::{Readers, Targets},
};
use crate::{checker::check, support::TestServer};
use serde_json::{Value, json};
use std::{thread, time::Duration};

/// Tasks and pictures accepted with 202, which must still exist at the end.
struct Promised {
    tasks: Vec<Value>,
    paths: Vec<String>,
}

pub fn run(scale: Scale) {
    let mut folder = tempfile::tempdir().expect("a folder");
    let readers = Readers::start(2);
    let mut promised = Promised { tasks: Vec::new(), paths: Vec::new() };
    let mut kill = 0;
    while kill < scale.kills || readers.reads() < scale.reads {
        let server = TestServer::start_in(folder, &["--concurrency", "2"]);
        enqueue(&server, &mut promised);
        readers.aim(Targets { url: server.url.clone(), paths: newest(&promised.paths, 8) });
        // After the planned kills, longer rounds until enough pictures were read.
        let live_ms = match kill % 5 {
            _ if kill >= scale.kills => 5_000,
            0 => random(30),
            _ => random(900),
        };
        thread::sleep(Duration::from_millis(live_ms));
        folder = server.kill();
        kill += 1;
    }
    let server = TestServer::start_in(folder, &["--concurrency", "2"]);
    readers.aim(Targets { url: server.url.clone(), paths: newest(&promised.paths, 8) });
    server.wait_for_idle();
    for id in &promised.tasks {
        let task = server.get(&format!("/api/v1/tasks/{id}")).json();
        assert!(matches!(task["status"].as_str(), Some("completed" | "failed")), "{task}");
        // A task that was running at two kills fails with that reason.
        assert!(
            task["status"] == "completed" || task["error"].as_str().is_some_and(|why| why.contains("ended")),
            "{task}"
        );
    }
    let reads = readers.finish();
    let (status, log, folder) = server.stop();
    assert!(status.success(), "{log}");
    let by_status = check(&folder.path().join("data"));
    println!("{kill} kills, {reads} reads, {} tasks, {by_status:?} takes: 0 violations", promised.tasks.len());
}

fn newest(paths: &[String], count: usize) -> Vec<String> {
    paths[paths.len().saturating_sub(count)..].to_vec()
}

/// Keeps a few tasks queued, so that every kill happens during work.
fn enqueue(server: &TestServer, promised: &mut Promised) {
    let project = match server.get("/api/v1/projects").json()[0]["id"].clone() {
        Value::Null => server.create("Killed")["id"].clone(),
        id => id,
    };
    let waiting = server.get("/api/v1/queue").json()["tasks"].as_array().map_or(0, Vec::len);
    if waiting >= 3 {
        return;
    }
    let body = json!({
        "prompt": "a star", "steps": 1 + random(12), "num_variants": 1 + random(2), "width": 64, "height": 64
    });
    let answer = server.send("POST", &format!("/api/v1/projects/{project}/generations"), &body);
    assert_eq!(answer.status, 202, "{}", answer.text);
    for task in answer.json()["tasks"].as_array().expect("a list") {
        promised.tasks.push(task["task_id"].clone());
        promised.paths.push(task["preview_path"].as_str().expect("a path").to_owned());
    }
}
