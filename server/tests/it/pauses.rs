//! Pausing and resuming pictures, with the real engine and the embedded starter model. The final bytes are those of a run
//! without a pause.

use crate::{
    checker::check,
    support::{Events, TestServer, whole_png},
};
use serde_json::{Value, json};
use std::{
    fs, thread,
    time::{Duration, Instant},
};

pub fn post(server: &TestServer, task: &Value, act: &str) -> crate::support::Answer {
    server.request("POST", &format!("/api/v1/tasks/{}/{act}", task["task_id"]), &[], None)
}

/// Posts an action that succeeds. Returns the task.
pub fn done(server: &TestServer, task: &Value, act: &str) -> Value {
    let answer = post(server, task, act);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

pub fn ask(server: &TestServer, project: &Value, more: &Value) -> Value {
    let mut body = json!({"prompt": "a red car on a yellow background", "seed": 7, "width": 64, "height": 64});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    let answer = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &body);
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()["tasks"][0].clone()
}

pub fn task(server: &TestServer, task: &Value) -> Value {
    server.get(&format!("/api/v1/tasks/{}", task["task_id"])).json()
}

/// The bytes of a picture.
pub fn file(server: &TestServer, task: &Value) -> Vec<u8> {
    server.bytes(task["preview_path"].as_str().expect("a path")).1
}

/// The bytes of the picture of a run without a pause.
pub fn reference(server: &TestServer, project: &Value, more: &Value) -> Vec<u8> {
    let task = ask(server, project, more);
    server.wait_for_task(&task["task_id"], "completed");
    file(server, &task)
}

/// Starts a picture, and waits until `steps` steps are done.
pub fn begun(server: &TestServer, project: &Value, more: &Value, steps: u64) -> Value {
    let started = ask(server, project, more);
    let deadline = Instant::now() + Duration::from_secs(60);
    while task(server, &started)["step"].as_u64() < Some(steps) {
        assert!(Instant::now() < deadline, "not at step {steps} in 60 s");
        thread::sleep(Duration::from_millis(2));
    }
    started
}

pub fn paused(server: &TestServer, started: &Value) -> u64 {
    let paused = done(server, started, "pause");
    assert_eq!((&paused["status"], &paused["eta_ms"]), (&json!("paused"), &json!(null)), "{paused}");
    let step = paused["step"].as_u64().expect("a step");
    assert!(step > 0 && step < paused["total_steps"].as_u64().expect("a number"), "{paused}");
    step
}

pub fn settings(server: &TestServer, settings: &Value) {
    let answer = server.send("PATCH", "/api/v1/settings", settings);
    assert_eq!(answer.status, 200, "{}", answer.text);
}

fn states(server: &TestServer) -> usize {
    let names = fs::read_dir(server.data_dir().join("traces")).into_iter().flatten();
    names
        .filter(|entry| entry.as_ref().expect("an entry").path().extension().is_some_and(|kind| kind == "state"))
        .count()
}

#[test]
fn a_paused_picture_goes_on_bit_for_bit() {
    let server = TestServer::start();
    let project = server.create("Paused");
    let cases = [
        ("off", json!({"steps": 150, "sampler": "euler_ancestral"})),
        ("looking", json!({"steps": 150, "sampler": "dpmpp_3m_sde", "scheduler": "karras"})),
        // Prompt editing counts evaluations of the model from the first step on.
        ("all", json!({"steps": 90, "sampler": "heun", "prompt": "a [red|blue] car [in rain:70]"})),
    ];
    for (level, parameters) in &cases {
        settings(&server, &json!({"trace": level}));
        let whole = reference(&server, &project, parameters);
        let mut events = Events::connect(&server, "");
        let picture = begun(&server, &project, parameters, 5);
        let step = paused(&server, &picture);
        let heard = events.until("generation_paused", Duration::from_secs(20));
        let event = &heard.last().expect("it")["data"];
        assert_eq!((&event["step"], &event["frame"]["status"]), (&json!(step), &json!("paused")), "{event}");
        assert_eq!(event["frame"]["path"], picture["preview_path"]);
        assert!(whole_png(&file(&server, &picture)).is_some(), "its preview stays");
        assert_eq!(states(&server), 1, "{level}");
        // The device is free: another picture is made.
        let other = ask(&server, &project, &json!({"steps": 2}));
        server.wait_for_task(&other["task_id"], "completed");
        assert_eq!(done(&server, &picture, "pause")["step"], step, "it stays as it is");

        assert_eq!(done(&server, &picture, "resume")["step"], step);
        done(&server, &picture, "resume");
        server.wait_for_task(&picture["task_id"], "completed");
        assert_eq!(file(&server, &picture), whole, "{level}: {parameters}, paused at step {step}");
        assert_eq!(states(&server), 0, "{level}");
        let heard = events.until("generation_completed", Duration::from_secs(20));
        let heard = match heard.last().expect("it")["data"]["task_id"] == picture["task_id"] {
            true => heard,
            false => [heard, events.until("generation_completed", Duration::from_secs(20))].concat(),
        };
        let is_own = |event: &&Value| {
            let kind = event["type"].as_str().expect("a type");
            event["data"]["task_id"] == picture["task_id"] && kind.starts_with("generation_")
        };
        let own = heard.iter().filter(is_own);
        let own: Vec<_> = own.map(|event| (event["type"].as_str().expect("a type"), &event["data"])).collect();
        let kinds: Vec<_> = own.iter().map(|(kind, _)| *kind).take(3).collect();
        assert_eq!(kinds, ["generation_resumed", "generation_started", "generation_progress"], "{level}");
        assert_eq!((&own[1].1["step"], &own[1].1["attempt"]), (&json!(step), &json!(2)), "{level}");
        assert_eq!(own[2].1["step"], step + 1, "{level}: no step runs twice");
        if *level != "off" {
            let trace = server.get(&format!("/api/v1/takes/{}/trace", picture["take_id"])).json();
            let kept = trace["steps"].as_array().expect("a list");
            let of =
                |step: &Value| (step["step"].as_u64(), step["path"].is_string(), step["can_branch"] == json!(true));
            let expected: Vec<_> = (1..=kept.len() as u64)
                .map(|step| (Some(step), true, *level == "all" && step < kept.len() as u64))
                .collect();
            assert_eq!(kept.iter().map(of).collect::<Vec<_>>(), expected, "{level}");
            assert_eq!(json!(kept.len()), parameters["steps"], "{level}: the trace has the steps before the pause");
        }
    }
    let (_, log, folder) = server.stop();
    assert!(!log.contains("ERROR"), "{log}");
    check(&folder.path().join("data"));
}

#[test]
fn a_paused_picture_outlives_the_server() {
    let server = TestServer::start();
    let project = server.create("Overnight");
    let parameters = json!({"steps": 200, "sampler": "dpmpp_2m_sde"});
    let whole = reference(&server, &project, &parameters);
    let picture = begun(&server, &project, &parameters, 5);
    let step = paused(&server, &picture);
    let preview = file(&server, &picture);
    let (_, _, folder) = server.stop();
    let server = TestServer::start_in(folder, &[]);
    let folder = server.kill();
    check(&folder.path().join("data"));
    let server = TestServer::start_in(folder, &[]);
    let now = task(&server, &picture);
    assert_eq!((&now["status"], &now["step"], &now["total_steps"]), (&json!("paused"), &json!(step), &json!(200)));
    assert_eq!(file(&server, &picture), preview);
    let events = Events::connect(&server, "");
    assert_eq!(
        (&events.hello["tasks"][0]["status"], &events.hello["tasks"][0]["step"]),
        (&json!("paused"), &json!(step))
    );
    let listed = server.get("/api/v1/tasks?status=paused").json();
    assert_eq!((listed[0]["id"].clone(), listed.as_array().map(Vec::len)), (picture["task_id"].clone(), Some(1)));
    assert_eq!(server.get("/api/v1/tasks?status=queued").json(), json!([]));
    done(&server, &picture, "resume");
    server.wait_for_task(&picture["task_id"], "completed");
    assert_eq!(file(&server, &picture), whole);

    // A server that is stopped saves the steps that are done, whatever is kept of how pictures form.
    settings(&server, &json!({"trace": "off"}));
    let picture = begun(&server, &project, &parameters, 5);
    let before = task(&server, &picture)["step"].as_u64();
    let (status, log, folder) = server.stop();
    assert!(status.success(), "{log}");
    let server = TestServer::start_in(folder, &["--concurrency", "2"]);
    let now = task(&server, &picture);
    assert!(now["step"].as_u64() >= before, "{now}");
    server.wait_for_task(&picture["task_id"], "completed");
    assert_eq!(file(&server, &picture), whole);
    let (_, _, folder) = server.stop();
    check(&folder.path().join("data"));
}

#[test]
fn a_paused_picture_can_be_kept_and_cancelled() {
    let server = TestServer::start();
    let project = server.create("Ends");
    let kept = begun(&server, &project, &json!({"steps": 200}), 3);
    let step = paused(&server, &kept);
    done(&server, &kept, "keep");
    server.wait_for_task(&kept["task_id"], "completed");
    assert_eq!(task(&server, &kept)["step"], step + 1, "the estimate of the next step becomes the picture");
    let status = |act| post(&server, &kept, act);
    for act in ["pause", "resume", "keep", "cancel"] {
        let refused = status(act);
        assert_eq!(refused.status, 409, "{act}: {}", refused.text);
        assert!(refused.text.contains(&format!("task {} ", kept["task_id"])), "{act}: {}", refused.text);
    }
    assert!(status("pause").text.contains("is completed; only one that is queued, running or paused can be paused"));

    let cancelled = begun(&server, &project, &json!({"steps": 200}), 3);
    paused(&server, &cancelled);
    assert_eq!(done(&server, &cancelled, "cancel")["status"], "cancelled");
    assert_eq!(server.get(cancelled["preview_path"].as_str().expect("a path")).status, 404);
    assert_eq!(states(&server), 0, "nothing is left behind");

    // A queued task is paused and resumed as well; another one starts in its place.
    let running = begun(&server, &project, &json!({"steps": 200}), 1);
    let (first, second) = (ask(&server, &project, &json!({"steps": 2})), ask(&server, &project, &json!({"steps": 2})));
    let waiting = done(&server, &first, "pause");
    assert_eq!((&waiting["status"], &waiting["step"], &waiting["attempt"]), (&json!("paused"), &json!(0), &json!(0)));
    done(&server, &running, "cancel");
    server.wait_for_task(&second["task_id"], "completed");
    assert_eq!(task(&server, &first)["status"], "paused");
    done(&server, &first, "resume");
    server.wait_for_task(&first["task_id"], "completed");
    assert_eq!(server.request("POST", "/api/v1/tasks/999/pause", &[], None).status, 404);
    assert_eq!(server.request("POST", "/api/v1/tasks/999/resume", &[], None).status, 404);
    let (_, _, folder) = server.stop();
    check(&folder.path().join("data"));
}

/// Pauses and resumes as fast as the server answers: the picture is that of a run without a pause.
#[test]
fn many_pauses_in_a_row_change_nothing() {
    let server = TestServer::start();
    let project = server.create("Restless");
    let parameters = json!({"steps": 120, "sampler": "dpmpp_sde"});
    let whole = reference(&server, &project, &parameters);
    let picture = begun(&server, &project, &parameters, 1);
    let mut pauses = 0;
    while post(&server, &picture, "pause").status == 200 {
        pauses += 1;
        // Of two resumes at once one finds it queued or running.
        thread::scope(|scope| {
            let both = [0, 1].map(|_| scope.spawn(|| done(&server, &picture, "resume")));
            for resumed in both {
                resumed.join().expect("answered");
            }
        });
        // Longer and longer: each attempt loads its inputs before its first step.
        thread::sleep(Duration::from_millis(pauses * 7 % 40 + 2 * pauses));
    }
    assert!(pauses > 2, "{pauses} pauses");
    server.wait_for_task(&picture["task_id"], "completed");
    assert_eq!(file(&server, &picture), whole, "after {pauses} pauses");
}
