//! A temporary fault fails no task: finished pictures are kept, the page shows the reason for waiting, and work resumes
//! by itself.

use super::{act, files, frames, generate, task};
use crate::support::{Events, TestServer, whole_png};
use serde_json::{Value, json};
use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

const WITHIN: Duration = Duration::from_secs(60);

/// Starts a server whose fault begins with the first generation. Waits until the model is loaded, so that the fault
/// does not hit the loading.
fn start(fault: &str, more: &[&str]) -> TestServer {
    let server = TestServer::start_with(&[&["--inject-fault", fault], more].concat());
    let deadline = Instant::now() + WITHIN;
    while server.get("/api/v1/models").json()[0]["loaded"] != true {
        assert!(Instant::now() < deadline, "the model is not loaded in {WITHIN:?}");
        thread::sleep(Duration::from_millis(10));
    }
    server
}

/// Waits until the task reports that it waits, and returns the reason.
fn wait_for_wait(server: &TestServer, id: &Value) -> String {
    let deadline = Instant::now() + WITHIN;
    loop {
        let now = task(server, id);
        if let Some(reason) = now["waiting_for"].as_str() {
            assert_eq!(now["status"], "running");
            return reason.to_owned();
        }
        assert!(now["status"] != "failed" && Instant::now() < deadline, "it does not wait: {now}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Step and `waiting_for` of each progress event.
fn progress(events: &[Value]) -> Vec<(u64, Option<&str>)> {
    let progress = events.iter().filter(|event| event["type"] == "generation_progress").map(|event| &event["data"]);
    progress.map(|data| (data["step"].as_u64().expect("a step"), data["waiting_for"].as_str())).collect()
}

#[test]
fn a_finished_picture_is_kept_until_the_disk_has_room() {
    let server = start("disk-full@8", &[]);
    let project = server.create("Full");
    let mut events = Events::connect(&server, "");
    let made = generate(&server, &project, &json!({"steps": 4}));
    assert_eq!(wait_for_wait(&server, &made["task_id"]), "the disk is full");

    // The queue and the page show the reason too. A new request is refused and leaves no rows or files.
    let queue = server.get("/api/v1/queue").json();
    assert_eq!(queue["tasks"][0]["waiting_for"], "the disk is full");
    let page = server.get(&format!("/projects/{}", project["id"])).text;
    assert!(page.contains("waiting: the disk is full"), "the page does not say what it waits for");
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    let refused = server.send("POST", &path, &json!({"prompt": "a star", "steps": 1, "num_variants": 2}));
    assert_eq!(refused.status, 507, "{}", refused.text);
    assert!(refused.json()["detail"].as_str().is_some_and(|why| why.contains("the disk is full")), "{}", refused.text);
    assert_eq!((frames(&server, &project).len(), files(&server).len()), (1, 1));
    assert_eq!(
        server.get(&format!("/api/v1/tasks?project_id={}", project["id"])).json().as_array().map(Vec::len),
        Some(1)
    );

    let received = events.until("generation_completed", WITHIN);
    let mut expected: Vec<_> = (1..=4).map(|step| (step, None)).collect();
    expected.extend([(4, Some("the disk is full")), (4, None)]);
    assert_eq!(progress(&received), expected, "every step once, then the wait and its end");
    let done = task(&server, &made["task_id"]);
    assert_eq!(
        (&done["status"], &done["attempt"], &done["waiting_for"]),
        (&json!("completed"), &json!(1), &Value::Null)
    );
    assert_eq!(whole_png(&server.bytes(made["preview_path"].as_str().expect("a path")).1), Some((128, 128)));
    let next = generate(&server, &project, &json!({"steps": 1}));
    server.wait_for_task(&next["task_id"], "completed");
    let (status, log, _) = server.stop();
    assert!(status.success(), "{log}");
    assert_eq!(log.matches("a generation waits until this has passed").count(), 1, "once, not at each try: {log}");
    assert_eq!(log.matches("a preview could not be made").count(), 1, "{log}");
}

#[test]
fn a_model_is_not_given_up_for_lack_of_files() {
    let server = start("too-many-files@2", &[]);
    let project = server.create("Files");
    let mut events = Events::connect(&server, "");
    let made = generate(&server, &project, &json!({"steps": 3}));
    let received = events.until("generation_completed", WITHIN);
    let expected = [(0, Some("too many files are open")), (0, None), (1, None), (2, None), (3, None)];
    assert_eq!(progress(&received), expected);
    assert_eq!(task(&server, &made["task_id"])["attempt"], 1);
}

#[cfg(target_os = "linux")]
fn limit_files(server: &TestServer, soft: &str) {
    let pid = server.id().to_string();
    let limited = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={soft}:")]).status();
    assert!(limited.expect("prlimit is part of util-linux").success());
}

#[test]
#[cfg(target_os = "linux")]
fn what_waits_says_the_number_of_steps_that_it_was_changed_to() {
    let server = start("device@1000", &[]);
    let project = server.create("Changed");
    let mut events = Events::connect(&server, "");
    let made = generate(&server, &project, &json!({"steps": 600, "preview_method": "latent2rgb"}));
    events.until("generation_progress", WITHIN);
    let path = format!("/api/v1/tasks/{}", made["task_id"]);
    let changed = server.send("PATCH", &path, &json!({"finish_in": 60}));
    let total = 60 + changed.json()["parameters"]["track"][0]["step"].as_u64().expect("a step");
    limit_files(&server, "3");
    let mut received = Vec::new();
    while progress(&received).last().is_none_or(|(_, reason)| reason.is_none()) {
        received = events.until("generation_progress", WITHIN);
    }
    limit_files(&server, "1024");
    let last = &received.last().expect("progress")["data"];
    assert_eq!((&last["step"], &last["total_steps"]), (&json!(total), &json!(total)), "{last}");
    server.wait_for_task(&made["task_id"], "completed");
}

/// No injected fault: `prlimit` lowers the running process's file limit below the number of its open files.
#[test]
#[cfg(target_os = "linux")]
fn a_picture_finished_while_too_many_files_are_open_is_kept() {
    let server = start("device@1000", &[]);
    let project = server.create("Descriptors");
    let mut events = Events::connect(&server, "");
    let made = generate(&server, &project, &json!({"steps": 60, "preview_method": "latent2rgb"}));
    events.until("generation_progress", WITHIN);
    limit_files(&server, "3");
    let mut received = Vec::new();
    while progress(&received).last().is_none_or(|(_, reason)| reason.is_none()) {
        received = events.until("generation_progress", WITHIN);
    }
    assert_eq!(progress(&received).last(), Some(&(60, Some("too many files are open"))));
    limit_files(&server, "1024");
    let received = events.until("generation_completed", WITHIN);
    assert_eq!(received.last().map(|event| &event["data"]["attempt"]), Some(&json!(1)));
    assert_eq!(whole_png(&server.bytes(made["preview_path"].as_str().expect("a path")).1), Some((128, 128)));
}

#[test]
fn what_the_database_cannot_record_yet_is_recorded_later_and_the_rest_follows() {
    let server = start("database-full@4", &["--concurrency", "2"]);
    let project = server.create("Database");
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    let asked = json!({"prompt": "a star", "steps": 2, "num_variants": 3, "width": 64, "height": 64});
    let made = server.send("POST", &path, &asked).json()["tasks"].clone();
    assert_eq!(wait_for_wait(&server, &made[0]["task_id"]), "the database's disk is full");
    for id in 0..3 {
        server.wait_for_task(&made[id]["task_id"], "completed");
        assert_eq!(task(&server, &made[id]["task_id"])["attempt"], 1);
    }
    assert_eq!(files(&server).len(), 3);
    let (_, log, _) = server.stop();
    assert!(log.matches("no task can be taken from the queue").count() <= 2, "once for each worker: {log}");
}

#[test]
fn what_waits_can_be_cancelled() {
    let server = start("disk-full@3600", &[]);
    let project = server.create("Cancelled");
    let mut events = Events::connect(&server, "");
    let made = generate(&server, &project, &json!({"steps": 2}));
    wait_for_wait(&server, &made["task_id"]);
    assert_eq!(act(&server, &made["task_id"], "cancel"), 200);
    events.until("generation_cancelled", WITHIN);
    assert_eq!(task(&server, &made["task_id"])["status"], "cancelled");
    assert!(files(&server).is_empty() && frames(&server, &project).is_empty());
}

/// Pictures and database are on one disk, as by default, so the cancellation cannot be recorded either.
#[test]
fn a_cancellation_that_cannot_be_recorded_yet_stops_the_task_and_is_recorded_later() {
    let server = start("database-full@8", &[]);
    let project = server.create("Later");
    let mut events = Events::connect(&server, "");
    let made = generate(&server, &project, &json!({"steps": 1000}));
    server.wait_for_start(&made["task_id"], 1);
    let path = format!("/api/v1/tasks/{}/cancel", made["task_id"]);
    let answer = server.request("POST", &path, &[], None);
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.text.contains("is stopped") && answer.text.contains("disk is full"), "{}", answer.text);
    assert!(files(&server).is_empty(), "its preview's room is free");
    let received = events.until("generation_cancelled", WITHIN);
    assert_eq!(received.last().map(|event| &event["data"]["task_id"]), Some(&made["task_id"]));
    assert_eq!(task(&server, &made["task_id"])["status"], "cancelled");
    assert!(frames(&server, &project).is_empty());
}

#[test]
fn a_server_that_stops_while_a_picture_waits_makes_it_again_at_its_next_start() {
    let server = start("disk-full@3600", &[]);
    let project = server.create("Stopped");
    let made = generate(&server, &project, &json!({"steps": 2}));
    wait_for_wait(&server, &made["task_id"]);
    let asked = Instant::now();
    let (status, log, folder) = server.stop();
    assert!(status.success() && asked.elapsed() < Duration::from_secs(10), "{log}");
    let server = TestServer::start_in(folder, &[]);
    server.wait_for_task(&made["task_id"], "completed");
    assert_eq!(task(&server, &made["task_id"])["attempt"], 2);
    assert_eq!((frames(&server, &project).len(), files(&server).len()), (1, 1));
}
