//! Overnight pictures make room for others between two steps, and go on bit for bit, with the real engine and the embedded
//! starter model.

use crate::{
    checker::check,
    pauses::{ask, begun, done, file, reference, settings, task},
    support::{Events, TestServer},
};
use serde_json::{Value, json};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);

fn overnight(parameters: &Value) -> Value {
    let mut all = parameters.clone();
    all["overnight"] = json!(true);
    all
}

fn queue(server: &TestServer) -> Vec<Value> {
    let queue = server.get("/api/v1/queue").json();
    queue["tasks"].as_array().expect("a list").iter().map(|task| task["task_id"].clone()).collect()
}

/// Type, task and step of each event about a generation.
fn heard(events: &[Value]) -> Vec<(&str, &Value, u64)> {
    let mut heard = Vec::new();
    for event in events {
        if let Some(kind) = event["type"].as_str().and_then(|kind| kind.strip_prefix("generation_")) {
            heard.push((kind, &event["data"]["task_id"], event["data"]["step"].as_u64().unwrap_or_default()));
        }
    }
    heard
}

/// Type and step of each event about one task.
fn heard_of<'a>(events: &'a [Value], task: &Value) -> Vec<(&'a str, u64)> {
    heard(events).into_iter().filter(|(_, of, _)| *of == task).map(|(kind, _, step)| (kind, step)).collect()
}

#[test]
fn another_picture_starts_within_a_step_and_the_overnight_one_goes_on_bit_for_bit() {
    let server = TestServer::start();
    let project = server.create("Night");
    for (level, parameters) in [
        ("off", json!({"steps": 60, "width": 192, "height": 192, "sampler": "euler_ancestral"})),
        (
            "looking",
            json!({"steps": 60, "width": 192, "height": 192, "sampler": "dpmpp_3m_sde", "scheduler": "karras"}),
        ),
    ] {
        settings(&server, &json!({"trace": level}));
        let whole = reference(&server, &project, &parameters);
        let mut events = Events::connect(&server, "");
        let picture = begun(&server, &project, &overnight(&parameters), 5);
        let before = task(&server, &picture);
        assert_eq!((&before["overnight"], &before["status"]), (&json!(true), &json!("running")));
        let urgent = ask(&server, &project, &json!({"steps": 3}));
        server.wait_for_task(&picture["task_id"], "completed");
        assert_eq!(file(&server, &picture), whole, "{level}: {parameters}");
        let all = events.drain(Duration::from_millis(500));
        let heard = heard(&all);
        let place = |kind, of: &Value| heard.iter().position(|(k, task, _)| *k == kind && *task == of).expect(kind);
        let asked =
            all.iter().position(|event| event["type"] == "frame_created" && event["data"]["id"] == urgent["frame_id"]);
        let aside = place("interrupted", &picture["task_id"]);
        assert!(aside < place("started", &urgent["task_id"]), "{heard:?}");
        assert!(place("completed", &urgent["task_id"]) < place("completed", &picture["task_id"]), "{heard:?}");
        // After the other one was accepted: the step that was being done, whose report may have been under way as the one before.
        let before = heard_of(&all[..asked.expect("it was accepted")], &picture["task_id"]);
        let when_asked = before.iter().rev().find(|(kind, _)| *kind == "progress").map_or(0, |(_, step)| *step);
        let stopped = heard[aside].2;
        assert!(stopped > 0 && stopped <= when_asked + 3, "{stopped} after {when_asked}: {heard:?}");
        let event = &all.iter().find(|event| event["type"] == "generation_interrupted").expect("it")["data"];
        assert_eq!(
            (&event["reason"], &event["frame"]["status"]),
            (&json!("other pictures go first"), &json!("queued"))
        );
        // It does no step twice.
        let own = heard.iter().filter(|(kind, task, _)| *kind == "progress" && **task == picture["task_id"]);
        let own: Vec<u64> = own.map(|(_, _, step)| *step).collect();
        assert!(own.windows(2).all(|pair| pair[0] < pair[1]), "{own:?}");
        assert_eq!(own.last(), Some(&60));
    }
    let (_, log, folder) = server.stop();
    assert!(!log.contains("ERROR"), "{log}");
    check(&folder.path().join("data"));
}

#[test]
fn overnight_pictures_wait_for_all_others_and_run_beside_none() {
    let server = TestServer::start_with(&["--concurrency", "2"]);
    let project = server.create("Night");
    let branch = server.send("POST", "/api/v1/projects/1/generations", &json!({"prompt": "x", "overnight": "yes"}));
    assert_eq!((branch.status, branch.bad_fields()), (422, vec!["overnight".to_owned()]));
    assert_eq!(server.request("POST", "/api/v1/queue/pause", &[], None).status, 200);
    let first = ask(&server, &project, &json!({"steps": 2, "overnight": true}));
    let day = [1, 2, 3].map(|seed| ask(&server, &project, &json!({"steps": 40, "seed": seed})));
    let second = ask(&server, &project, &json!({"steps": 2, "overnight": true}));
    let ids = |tasks: &[&Value]| tasks.iter().map(|task| task["task_id"].clone()).collect::<Vec<_>>();
    assert_eq!(queue(&server), ids(&[&day[0], &day[1], &day[2], &first, &second]));
    let mut events = Events::connect(&server, "");
    assert_eq!(server.request("POST", "/api/v1/queue/resume", &[], None).status, 200);
    server.wait_for_idle();
    let all = events.drain(Duration::from_millis(500));
    let heard = heard(&all);
    let place = |kind: &str, of: &Value| heard.iter().position(|(k, task, _)| *k == kind && **task == of["task_id"]);
    let last_of_day = day.iter().map(|task| place("completed", task).expect("made")).max().expect("three");
    for night in [&first, &second] {
        assert!(place("started", night).expect("made") > last_of_day, "{heard:?}");
    }

    // A running one that a user pauses stays paused; kept while it waits, it has its estimate.
    let night = begun(&server, &project, &json!({"steps": 300, "overnight": true}), 3);
    done(&server, &night, "pause");
    let other = ask(&server, &project, &json!({"steps": 2}));
    server.wait_for_task(&other["task_id"], "completed");
    assert_eq!(task(&server, &night)["status"], "paused");
    done(&server, &night, "keep");
    server.wait_for_task(&night["task_id"], "completed");
    assert!(events.until("generation_paused", WITHIN).len() > 1);
    server.wait_for_idle();
    let retried = task(&server, &night);
    assert_eq!((&retried["overnight"], &retried["status"]), (&json!(true), &json!("completed")));
}
