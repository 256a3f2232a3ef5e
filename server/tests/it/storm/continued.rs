//! SIGKILL at random moments over running, paused and changed pictures. Each goes on after its last saved step, and its final
//! bytes are those of an uninterrupted run with the same changes.

use super::{Scale, random};
use crate::{checker::check, support::TestServer};
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

/// A kind of picture, and the bytes of an uninterrupted run.
struct Kind {
    trace: &'static str,
    parameters: Value,
    whole: Vec<u8>,
    /// How long an uninterrupted run takes.
    lasts: Duration,
}

/// What was found over all kills.
#[derive(Debug, Default)]
struct Found {
    /// Pictures that were paused when the server was killed.
    paused: usize,
    /// Pictures that were changed while they formed.
    changed: usize,
    /// Pictures that went on after saved steps.
    continued: usize,
    /// Pictures that were finished before the kill.
    finished: usize,
    /// Most steps that were seen before a kill and ran again, by the setting `trace`.
    lost_with_all: u64,
    lost_with_looking: u64,
}

fn kinds(server: &TestServer, project: &Value) -> Vec<Kind> {
    let kinds = [
        ("all", json!({"steps": 100, "sampler": "euler_ancestral"})),
        ("looking", json!({"steps": 140, "sampler": "dpmpp_3m_sde", "scheduler": "karras"})),
        ("all", json!({"steps": 50, "sampler": "dpmpp_sde", "prompt": "a [red|blue] car [in rain:70]"})),
        ("looking", json!({"steps": 140, "sampler": "uni_pc", "cfg_scale": 3.0, "negative_prompt": "rain"})),
    ];
    let made = |(trace, parameters): (&'static str, Value)| {
        set_trace(server, trace);
        let began = Instant::now();
        let task = ask(server, project, &parameters);
        server.wait_for_task(&task["task_id"], "completed");
        Kind { trace, parameters, whole: file(server, &task), lasts: began.elapsed() }
    };
    kinds.into_iter().map(made).collect()
}

fn set_trace(server: &TestServer, trace: &str) {
    assert_eq!(server.send("PATCH", "/api/v1/settings", &json!({"trace": trace})).status, 200);
}

fn ask(server: &TestServer, project: &Value, parameters: &Value) -> Value {
    let mut body = json!({"prompt": "a red car", "seed": 11, "width": 64, "height": 64});
    for (name, value) in parameters.as_object().expect("an object") {
        body[name] = value.clone();
    }
    let answer = server.send("POST", &format!("/api/v1/projects/{project}/generations"), &body);
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()["tasks"][0].clone()
}

fn file(server: &TestServer, task: &Value) -> Vec<u8> {
    server.bytes(task["preview_path"].as_str().expect("a path")).1
}

fn state_of(server: &TestServer, task: &Value) -> Value {
    server.get(&format!("/api/v1/tasks/{}", task["task_id"])).json()
}

pub fn run(scale: Scale) {
    let server = TestServer::start();
    let project = server.create("Continued")["id"].clone();
    let kinds = kinds(&server, &project);
    let (_, _, mut folder) = server.stop();
    let mut found = Found::default();
    for kill in 0..scale.compared {
        let kind = &kinds[kill % kinds.len()];
        let server = TestServer::start_in(folder, &[]);
        set_trace(&server, kind.trace);
        let task = ask(&server, &project, &kind.parameters);
        thread::sleep(Duration::from_millis(random(u64::try_from(kind.lasts.as_millis()).unwrap_or(u64::MAX))));
        // Of three one is paused and one is changed, and killed meanwhile or soon after.
        let seen = state_of(&server, &task);
        let id = &task["task_id"];
        folder = match kill % 3 {
            0 => ask_and_kill(server, ("POST", format!("/api/v1/tasks/{id}/pause"), json!({}))),
            1 => {
                let change = json!({"prompt": "a blue car", "cfg_scale": 2.5});
                ask_and_kill(server, ("PATCH", format!("/api/v1/tasks/{id}"), change))
            }
            _ => server.kill(),
        };
        let server = TestServer::start_in(folder, &[]);
        compare(&server, (&project, &task), kind, &seen, &mut found);
        let (status, log, stopped) = server.stop();
        assert!(status.success(), "{log}");
        folder = stopped;
        if kill % 10 == 9 || kill + 1 == scale.compared {
            check(&folder.path().join("data"));
        }
    }
    println!("{} kills: every picture has the bytes of an uninterrupted run; {found:?}", scale.compared);
    assert!(found.continued > 0, "no picture went on");
    assert!(found.lost_with_all <= 25, "with every step's state few run again: {found:?}");
}

/// Sends a request, and kills the server while it is answered or soon after.
fn ask_and_kill(server: TestServer, (method, path, body): (&'static str, String, Value)) -> tempfile::TempDir {
    let url = format!("{}{path}", server.url);
    // The connection breaks when the server is killed before it answers.
    let asked = thread::spawn(move || {
        let json = [("content-type", "application/json")];
        crate::support::request(&url, method, &json, Some(body.to_string().as_bytes())).ok()
    });
    thread::sleep(Duration::from_millis(random(300)));
    let folder = server.kill();
    asked.join().expect("no panic");
    folder
}

/// Lets the picture go on, and compares it.
fn compare(server: &TestServer, (project, task): (&Value, &Value), kind: &Kind, seen: &Value, found: &mut Found) {
    let now = state_of(server, task);
    let lost = seen["step"].as_u64().unwrap_or_default().saturating_sub(now["step"].as_u64().unwrap_or_default());
    match now["status"].as_str() {
        Some("paused") => {
            found.paused += 1;
            let resume = format!("/api/v1/tasks/{}/resume", task["task_id"]);
            assert_eq!(server.request("POST", &resume, &[], None).status, 200);
        }
        Some("completed") => found.finished += 1,
        _ if kind.trace == "all" => found.lost_with_all = found.lost_with_all.max(lost),
        _ => found.lost_with_looking = found.lost_with_looking.max(lost),
    }
    found.continued += usize::from(now["status"] != "completed" && now["step"].as_u64() > Some(0));
    server.wait_for_task(&task["task_id"], "completed");
    // Changed before its first step, the prompt is another one; otherwise it has a track.
    let made = state_of(server, task);
    let whole = match made["parameters"]["prompt"] == "a blue car" || made["parameters"]["track"].is_array() {
        false => kind.whole.clone(),
        true => {
            found.changed += 1;
            let mut again = kind.parameters.clone();
            for field in ["prompt", "cfg_scale", "track"] {
                again[field] = made["parameters"].get(field).cloned().unwrap_or(json!([]));
            }
            let again = ask(server, project, &again);
            server.wait_for_task(&again["task_id"], "completed");
            file(server, &again)
        }
    };
    assert_eq!(file(server, task), whole, "{}: seen as {seen}, then {now}, then {made}", kind.parameters);
}
