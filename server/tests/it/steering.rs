//! Changing pictures while they form. A changed prompt gives the picture of A1111's prompt editing, which is another piece of
//! code, and a recorded track gives the same bytes again.

use crate::{
    checker::check,
    pauses::{ask, begun, done, file, paused, reference, settings, task},
    support::{Answer, Events, TestServer},
    traces::pixels,
};
use serde_json::{Value, json};
use std::time::Duration;

fn patch(server: &TestServer, task: &Value, body: &Value) -> Answer {
    server.send("PATCH", &format!("/api/v1/tasks/{}", task["task_id"]), body)
}

/// Changes a task. Returns its track.
fn changed(server: &TestServer, task: &Value, body: &Value) -> Value {
    let answer = patch(server, task, body);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["parameters"].get("track").cloned().unwrap_or(Value::Null)
}

fn with(parameters: &Value, more: &Value) -> Value {
    let mut all = parameters.clone();
    for (name, value) in more.as_object().expect("an object") {
        all[name] = value.clone();
    }
    all
}

#[test]
fn a_changed_prompt_is_a_prompt_edit_bit_for_bit() {
    let server = TestServer::start();
    let project = server.create("Steered");
    let (before, after) = ("a red car on a yellow background", "a green tree on a blue background");
    for (sampler, calls, steps) in [("euler", 1, 150), ("dpmpp_2m", 1, 150), ("heun", 2, 80)] {
        let parameters = json!({"prompt": before, "steps": steps, "sampler": sampler});
        let unchanged = reference(&server, &project, &parameters);
        let mut events = Events::connect(&server, "");
        let picture = begun(&server, &project, &parameters, 3);
        let track = changed(&server, &picture, &json!({"prompt": after}));
        let step = track[0]["step"].as_u64().expect("a step");
        assert_eq!(track, json!([{"step": step, "prompt": after}]), "{sampler}");
        let heard = events.until("generation_steered", Duration::from_secs(20));
        let event = &heard.last().expect("it")["data"];
        assert_eq!((&event["track"], &event["step"], &event["total_steps"]), (&track, &json!(step), &json!(steps)));
        server.wait_for_task(&picture["task_id"], "completed");
        let made = file(&server, &picture);
        assert_ne!(pixels(&made), pixels(&unchanged), "{sampler}");

        // Its record says so, and the prompt of the record makes the same pixels.
        let edit = format!("[{before}:{after}:{}]", step * calls - 1);
        let text = String::from_utf8_lossy(&made).into_owned();
        assert!(text.contains(&format!("{edit}\nSteps: {steps}")), "{sampler}: {edit}");
        let edited = reference(&server, &project, &with(&parameters, &json!({"prompt": edit})));
        assert_eq!(pixels(&edited), pixels(&made), "{sampler} changed after step {step}");
        // So does the track, byte for byte.
        assert_eq!(reference(&server, &project, &with(&parameters, &json!({"track": track}))), made, "{sampler}");
    }
    let (_, log, folder) = server.stop();
    assert!(!log.contains("ERROR"), "{log}");
    check(&folder.path().join("data"));
}

#[test]
fn every_value_can_change_and_replays_exactly() {
    let server = TestServer::start();
    let project = server.create("Track");
    settings(&server, &json!({"trace": "all"}));
    let parameters = json!({"steps": 150, "sampler": "dpmpp_3m_sde", "negative_prompt": "rain", "cfg_scale": 3.0});
    let picture = begun(&server, &project, &parameters, 3);
    changed(&server, &picture, &json!({"cfg_scale": 7.5}));
    changed(&server, &picture, &json!({"negative_prompt": "a car"}));
    paused(&server, &picture);
    let at = task(&server, &picture)["step"].clone();
    changed(&server, &picture, &json!({"prompt": "a tree", "cfg_scale": 1.0}));
    let track = changed(&server, &picture, &json!({"cfg_scale": 4.0}));
    let last = track.as_array().expect("a list").last().expect("changes");
    assert_eq!(*last, json!({"step": at, "prompt": "a tree", "cfg_scale": 4.0}), "two at one step are one");
    // The changes outlive the server.
    let (_, _, folder) = server.stop();
    let server = TestServer::start_in(folder, &[]);
    done(&server, &picture, "resume");
    server.wait_for_task(&picture["task_id"], "completed");
    let made = file(&server, &picture);
    assert_eq!(reference(&server, &project, &with(&parameters, &json!({"track": track}))), made);
    let inspected = server.request("POST", "/api/v1/inspect-png", &[("content-type", "image/png")], Some(&made)).json();
    assert_eq!(inspected["parameters"]["track"], track, "{inspected}");
    let lost =
        inspected["record"]["not_applied"].as_array().expect("a list").iter().any(|entry| entry["name"] == "track");
    assert!(lost, "a prompt cannot say it: {inspected}");

    // An unchanged branch of it is the same picture, also from before the changes.
    let trace = server.get(&format!("/api/v1/takes/{}/trace", picture["take_id"])).json();
    assert_eq!(trace["steps"].as_array().map(Vec::len), Some(150));
    for step in [2, at.as_u64().expect("a step"), 149] {
        let path = format!("/api/v1/takes/{}/branch", picture["take_id"]);
        let branch = server.send("POST", &path, &json!({"from_step": step})).json()["tasks"][0].clone();
        server.wait_for_task(&branch["task_id"], "completed");
        assert_eq!(pixels(&file(&server, &branch)), pixels(&made), "from step {step}");
    }
}

#[test]
fn the_rest_can_be_done_in_fewer_steps() {
    let server = TestServer::start();
    let project = server.create("Finish");
    settings(&server, &json!({"trace": "all"}));
    let parameters = json!({"steps": 200, "sampler": "dpmpp_2m", "scheduler": "karras"});
    let picture = begun(&server, &project, &parameters, 3);
    let step = paused(&server, &picture);
    let refused = patch(&server, &picture, &json!({"finish_in": 200}));
    assert_eq!((refused.status, refused.bad_fields()), (422, vec!["finish_in".to_owned()]));
    let left = format!("must be at most the {} steps that are left, not 200", 200 - step);
    assert!(refused.text.contains(&left), "{}", refused.text);
    let track = changed(&server, &picture, &json!({"finish_in": 5}));
    assert_eq!(track, json!([{"step": step, "finish_in": 5}]));
    assert_eq!(task(&server, &picture)["total_steps"], step + 5);
    done(&server, &picture, "resume");
    server.wait_for_task(&picture["task_id"], "completed");
    assert_eq!(task(&server, &picture)["step"], step + 5);
    let made = file(&server, &picture);
    assert_eq!(reference(&server, &project, &with(&parameters, &json!({"track": track}))), made);

    // A running one, and a branch.
    let running = begun(&server, &project, &parameters, 3);
    let track = changed(&server, &running, &json!({"finish_in": 4}));
    server.wait_for_task(&running["task_id"], "completed");
    let at = track[0]["step"].as_u64().expect("a step");
    assert_eq!(task(&server, &running)["step"], at + 4);
    assert_eq!(reference(&server, &project, &with(&parameters, &json!({"track": track}))), file(&server, &running));
    let whole = begun(&server, &project, &json!({"steps": 40}), 1);
    server.wait_for_task(&whole["task_id"], "completed");
    let path = format!("/api/v1/takes/{}/branch", whole["take_id"]);
    for (body, why) in [
        (json!({"from_step": 30, "finish_in": 11}), "must be at most the 10 steps that are left, not 11"),
        (json!({"from_step": 30, "finish_in": 0}), "must be"),
        (json!({"from_step": 30, "finish_in": "x"}), "must be a whole number from 1 to 1000"),
    ] {
        let refused = server.send("POST", &path, &body);
        assert_eq!((refused.status, refused.bad_fields()), (422, vec!["finish_in".to_owned()]), "{body}");
        assert!(refused.text.contains(why), "{}", refused.text);
    }
    let all = server.send("POST", &path, &json!({"from_step": 30, "finish_in": 10})).json()["tasks"][0].clone();
    let few = server.send("POST", &path, &json!({"from_step": 30, "finish_in": 3})).json()["tasks"][0].clone();
    server.wait_for_task(&few["task_id"], "completed");
    assert_eq!(pixels(&file(&server, &all)), pixels(&file(&server, &whole)), "all steps that are left");
    let few = task(&server, &few);
    assert_eq!((&few["step"], &few["total_steps"]), (&json!(33), &json!(33)));
    let (_, log, folder) = server.stop();
    assert!(!log.contains("ERROR"), "{log}");
    check(&folder.path().join("data"));
}

#[test]
fn before_its_first_step_a_task_gets_the_values_as_its_own() {
    let server = TestServer::start();
    let project = server.create("Queued");
    let running = begun(&server, &project, &json!({"steps": 400}), 1);
    let waiting = ask(&server, &project, &json!({"steps": 3}));
    assert_eq!(changed(&server, &waiting, &json!({"prompt": "a tree", "cfg_scale": 2.0})), Value::Null);
    let now = task(&server, &waiting)["parameters"].clone();
    assert_eq!((&now["prompt"], &now["cfg_scale"]), (&json!("a tree"), &json!(2.0)));
    assert_eq!(changed(&server, &waiting, &json!({})), Value::Null, "nothing is changed");
    let bad = |body: &Value, field: &str| {
        let refused = patch(&server, &waiting, body);
        assert_eq!((refused.status, refused.bad_fields()), (422, vec![field.to_owned()]), "{body}: {}", refused.text);
    };
    bad(&json!({"cfg_scale": 31}), "cfg_scale");
    bad(&json!({"cfg_scale": "x"}), "cfg_scale");
    bad(&json!({"prompt": "x".repeat(10_001)}), "prompt");
    bad(&json!({"prompt": "a <lora:none:1>"}), "prompt");
    bad(&json!({"negative_prompt": "\u{0}"}), "negative_prompt");
    bad(&json!({"strength": 0.5}), "strength");
    bad(&json!({"strength": 1.5, "prompt": "a"}), "strength");
    bad(&json!({"finish_in": 2}), "finish_in");
    bad(&json!({"steps": 2}), "steps");
    let all = patch(&server, &waiting, &json!({"cfg_scale": -1, "finish_in": 0}));
    assert_eq!(all.bad_fields(), ["cfg_scale", "finish_in"]);
    done(&server, &running, "cancel");
    server.wait_for_task(&waiting["task_id"], "completed");
    let parameters = json!({"steps": 3, "prompt": "a tree", "cfg_scale": 2.0});
    assert_eq!(reference(&server, &project, &parameters), file(&server, &waiting));
    for gone in [&running, &waiting] {
        let refused = patch(&server, gone, &json!({"cfg_scale": 2.0}));
        assert_eq!(refused.status, 409, "{}", refused.text);
        assert!(refused.text.contains("can be changed"), "{}", refused.text);
    }
    assert_eq!(server.send("PATCH", "/api/v1/tasks/999", &json!({"cfg_scale": 2.0})).status, 404);
    let track = json!([{"step": 3, "cfg_scale": 2.0}, {"step": 2, "cfg_scale": 3.0}]);
    let body = json!({"prompt": "a", "track": track});
    let refused = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &body);
    assert_eq!((refused.status, refused.bad_fields()), (422, vec!["track".to_owned()]));

    // A strength changes while the picture waits, and not once it has begun.
    let start = json!({"init_take_id": waiting["take_id"], "strength": 0.5, "steps": 300});
    let running = begun(&server, &project, &json!({"steps": 400}), 1);
    let picture = ask(&server, &project, &start);
    changed(&server, &picture, &json!({"strength": 0.75}));
    assert_eq!(task(&server, &picture)["parameters"]["strength"], 0.75);
    done(&server, &running, "cancel");
    server.wait_for_start(&picture["task_id"], 1);
    let refused = patch(&server, &picture, &json!({"strength": 0.25}));
    assert_eq!((refused.status, refused.bad_fields()), (422, vec!["strength".to_owned()]));
    done(&server, &picture, "cancel");
}
