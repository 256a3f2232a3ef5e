//! Time from a POST that cancels, at one server, to the end of the attempt at a worker, at random moments of steps of 200 ms: the
//! worker finds out, and its sampler stops. The steps look whether they should stop every 5 ms. Counts what a client hears of the
//! picture, and can read of it, after the answer.
//!
//! Fails if the 99th percentile is not less than a step, or if anything is heard or read. All processes run on this machine.
//!
//! `cargo bench --bench cancel` (with `-- ROUNDS` to change 100 rounds).

#[path = "support/machine.rs"]
mod machine;
#[path = "support/percentiles.rs"]
mod percentiles;

use machine::Machine;
use percentiles::Percentiles;
use serde_json::json;
use std::{
    thread,
    time::{Duration, Instant, SystemTime},
};

const STEP_MS: u64 = 200;
/// After the answer: several steps.
const WATCHED: Duration = Duration::from_millis(700);
const WITHIN: Duration = Duration::from_secs(30);

fn main() {
    // cargo adds the argument `--bench`.
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse::<u32>().ok()).unwrap_or(100);
    let Some(cluster) = test_postgres::cluster() else { return };
    let (url, pictures) = (cluster.create("cancel"), tempfile::tempdir().expect("a folder"));
    let pictures = pictures.path().display().to_string();
    let shared = ["--database-url", &url, "--media-url", &pictures];
    let web = Machine::serve(&[&shared[..], &["--concurrency", "0"]].concat());
    let worker = Machine::work(&[&shared[..], &["--inject-fault", &format!("slow@{STEP_MS}")]].concat());
    let project = web.project("cancel");
    let (mut answers, mut stops, mut heard, mut read) = (Vec::new(), Vec::new(), 0, 0);
    for round in 0..rounds {
        // Steps and rounds have no common measure.
        let into_step = Duration::from_millis(u64::from(round) * 67 % STEP_MS);
        let Cancelled { answer_ms, stop_ms, events, bytes } = cancel(&web, &worker, &project, into_step);
        answers.push(answer_ms);
        stops.push(stop_ms);
        heard += events;
        read += bytes;
    }
    let stops = Percentiles::of(stops);
    println!("POST cancel to the answer: {}", Percentiles::of(answers));
    println!("POST cancel to the end of the attempt: {stops}");
    println!("after the answer: {heard} events of the picture, {read} bytes");
    assert!(stops.p99 < STEP_MS as f64 && heard + read == 0, "a promise is broken");
}

struct Cancelled {
    answer_ms: f64,
    stop_ms: f64,
    events: usize,
    bytes: usize,
}

/// Begins a long picture and cancels it after some steps, `into_step` after the last one.
fn cancel(web: &Machine, worker: &Machine, project: &serde_json::Value, into_step: Duration) -> Cancelled {
    let mut socket = web.socket();
    let asked =
        json!({"prompt": "a star", "seed": 1, "steps": 400, "preview_interval_ms": 0, "width": 64, "height": 64});
    let task = web.post(&format!("/api/v1/projects/{project}/generations"), &asked)["tasks"][0].clone();
    let (id, path) = (task["task_id"].as_i64().expect("an id"), task["preview_path"].as_str().expect("a path"));
    let deadline = Instant::now() + WITHIN;
    while !worker.log.lock().expect("unpoisoned").steps.contains_key(&(id, 3)) {
        assert!(Instant::now() < deadline, "task {id} has not begun");
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(into_step);
    let began = SystemTime::now();
    web.post(&format!("/api/v1/tasks/{id}/cancel"), &json!({}));
    let answered = SystemTime::now();
    let until = Instant::now() + WATCHED;
    let (mut events, mut is_cancelled) = (0, false);
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        let Some(event) = socket.next(Some(left)) else { continue };
        let is_of_picture = event["type"].as_str().is_some_and(|name| name.starts_with("generation_"));
        if is_of_picture && event["data"]["task_id"] == id {
            // What came before the answer is read here, too; the cancellation is the last of it.
            events += usize::from(is_cancelled);
            is_cancelled |= event["type"] == "generation_cancelled";
        }
    }
    assert!(is_cancelled, "the socket has heard of it");
    let ms = |from: SystemTime, to: SystemTime| 1000.0 * to.duration_since(from).unwrap_or_default().as_secs_f64();
    let stopped = worker.log.lock().expect("unpoisoned").stopped.get(&id).copied();
    Cancelled {
        answer_ms: ms(began, answered),
        stop_ms: stopped.map_or(f64::INFINITY, |at| ms(began, at)),
        events,
        bytes: bytes_at(&format!("{}{path}", web.url)),
    }
}

/// Bytes of a picture at this address.
fn bytes_at(url: &str) -> usize {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer = agent.get(url).call().expect("an answer");
    if answer.status() == 404 { 0 } else { answer.body_mut().read_to_vec().expect("bytes").len().max(1) }
}
