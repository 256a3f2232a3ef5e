//! Pictures that pause by themselves at a step, and go on when they are chosen, with the real engine and the embedded starter
//! model. The final bytes are those of a run without a stop.

use crate::{
    checker::check,
    pauses::{ask, begun, done, file, paused, reference, settings, task},
    several_servers::{Place, generate, runs_as, task as task_at, wait_for},
    support::{Answer, Events, TestServer},
};
use serde_json::{Value, json};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);

fn with(parameters: &Value, more: &Value) -> Value {
    let mut all = parameters.clone();
    for (name, value) in more.as_object().expect("an object") {
        all[name] = value.clone();
    }
    all
}

fn request(server: &TestServer, project: &Value, body: &Value, key: Option<&str>) -> Answer {
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    let headers: Vec<_> =
        [("content-type", "application/json")].into_iter().chain(key.map(|key| ("idempotency-key", key))).collect();
    server.request("POST", &path, &headers, Some(body.to_string().as_bytes()))
}

/// Asks for takes of one frame. Returns their tasks.
fn takes(server: &TestServer, project: &Value, parameters: &Value) -> Vec<Value> {
    let body = json!({"prompt": "a red car on a yellow background", "seed": 7, "width": 64, "height": 64});
    let answer = request(server, project, &with(&body, parameters), None);
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()["tasks"].as_array().expect("tasks").clone()
}

fn seed(made: &Value) -> Value {
    json!({"seed": made["seed"]})
}

#[test]
fn each_take_stops_at_the_step_and_the_chosen_ones_go_on_bit_for_bit() {
    let server = TestServer::start();
    let project = server.create("Rough");
    for (level, parameters) in [
        ("off", json!({"steps": 30, "sampler": "euler_ancestral"})),
        ("all", json!({"steps": 30, "sampler": "dpmpp_2m", "scheduler": "karras"})),
        ("looking", json!({"steps": 30, "sampler": "dpmpp_3m_sde", "width": 96, "height": 72})),
    ] {
        settings(&server, &json!({"trace": level}));
        let mut events = Events::connect(&server, "");
        let rough = takes(&server, &project, &with(&parameters, &json!({"num_variants": 4, "pause_at": 11})));
        for take in &rough {
            server.wait_for_task(&take["task_id"], "paused");
            let now = task(&server, take);
            assert_eq!((&now["step"], &now["pause_at"], &now["attempt"]), (&json!(11), &json!(11), &json!(1)), "{now}");
        }
        let heard = events.until("generation_paused", WITHIN);
        assert_eq!(heard.last().expect("it")["data"]["step"], 11);
        assert!(
            heard
                .iter()
                .all(|event| event["type"] != "generation_progress" || event["data"]["step"].as_u64() <= Some(11)),
            "{level}: no step after the 11th"
        );
        let listed = server.get("/api/v1/tasks?status=paused").json();
        assert!(listed.as_array().expect("a list").iter().all(|task| task["pause_at"] == 11), "{listed}");
        let queue = server.get("/api/v1/queue").json();
        let in_queue: Vec<_> =
            queue["tasks"].as_array().expect("a list").iter().map(|task| &task["pause_at"]).collect();
        assert_eq!(in_queue, [&json!(11); 4], "{level}");

        // Two are chosen, one stays, one is discarded.
        for chosen in [&rough[3], &rough[1]] {
            assert_eq!(done(&server, chosen, "resume")["pause_at"], Value::Null);
        }
        done(&server, &rough[0], "cancel");
        for chosen in [&rough[1], &rough[3]] {
            server.wait_for_task(&chosen["task_id"], "completed");
            let whole = reference(&server, &project, &with(&parameters, &seed(chosen)));
            assert_eq!(file(&server, chosen), whole, "{level}: {chosen}");
        }
        let stays = task(&server, &rough[2]);
        assert_eq!((&stays["status"], &stays["step"]), (&json!("paused"), &json!(11)));
        // Its current estimate becomes the picture.
        done(&server, &rough[2], "keep");
        server.wait_for_task(&rough[2]["task_id"], "completed");
        assert_eq!(task(&server, &rough[2])["step"], 12);
        // Tried again, the discarded one stops at the step again.
        assert_eq!(done(&server, &rough[0], "retry")["pause_at"], 11);
        server.wait_for_task(&rough[0]["task_id"], "paused");
        assert_eq!(task(&server, &rough[0])["step"], 11);
        done(&server, &rough[0], "cancel");
    }
    let (_, log, folder) = server.stop();
    assert!(!log.contains("ERROR"), "{log}");
    check(&folder.path().join("data"));
}

#[test]
fn what_stops_and_what_is_still_to_stop_outlives_the_server() {
    let server = TestServer::start();
    let project = server.create("Restart");
    let parameters = json!({"steps": 200, "sampler": "dpmpp_2m_sde"});
    let asked = with(&parameters, &json!({"num_variants": 3, "pause_at": 150}));
    let mut rough = takes(&server, &project, &asked);
    server.wait_for_task(&rough[0]["task_id"], "paused");
    let folder = server.kill();
    check(&folder.path().join("data"));
    let server = TestServer::start_in(folder, &[]);
    assert_eq!(task(&server, &rough[0])["step"], 150);
    let (status, log, folder) = server.stop();
    assert!(status.success(), "{log}");
    let server = TestServer::start_in(folder, &["--concurrency", "2"]);
    for take in &rough {
        server.wait_for_task(&take["task_id"], "paused");
        let now = task(&server, take);
        assert_eq!((&now["step"], &now["pause_at"]), (&json!(150), &json!(150)), "{now}");
    }
    let chosen = rough.remove(1);
    done(&server, &chosen, "resume");
    server.wait_for_task(&chosen["task_id"], "completed");
    assert_eq!(file(&server, &chosen), reference(&server, &project, &with(&parameters, &seed(&chosen))));
    let (_, log, folder) = server.stop();
    assert!(!log.contains("ERROR"), "{log}");
    check(&folder.path().join("data"));
}

#[test]
fn the_step_must_be_before_the_last_one() {
    let server = TestServer::start();
    let project = server.create("Limits");
    let picture = ask(&server, &project, &json!({"steps": 1}));
    server.wait_for_task(&picture["task_id"], "completed");
    let start = json!({"init_take_id": picture["take_id"], "strength": 0.5, "scheduler": "leading"});
    for (more, why) in [
        (json!({"pause_at": 0}), "must be a whole number from 1 to 999, not 0"),
        (json!({"pause_at": 1000}), "must be a whole number from 1 to 999, not 1000"),
        (json!({"pause_at": -1}), "must be a whole number from 1 to 999"),
        (json!({"pause_at": "5"}), "must be a whole number from 1 to 999"),
        (json!({"pause_at": 2.5}), "must be a whole number from 1 to 999"),
        (json!({"pause_at": 30, "steps": 30}), "must be a whole number from 1 to 29, not 30: the picture has 30 steps"),
        (json!({"pause_at": 1, "steps": 1}), "must not be given for a picture of one step"),
        // A starting picture leaves fewer steps.
        (
            with(&start, &json!({"pause_at": 15, "steps": 20})),
            "must be a whole number from 1 to 9, not 15: the picture has 10 steps",
        ),
    ] {
        let refused = request(&server, &project, &with(&json!({"prompt": "x"}), &more), None);
        assert_eq!(
            (refused.status, refused.bad_fields()),
            (422, vec!["pause_at".to_owned()]),
            "{more}: {}",
            refused.text
        );
        assert!(refused.text.contains(why), "{more}: {}", refused.text);
    }
    assert_eq!(task(&server, &picture)["pause_at"], Value::Null);
    let last = takes(&server, &project, &json!({"pause_at": 29, "steps": 30})).remove(0);
    server.wait_for_task(&last["task_id"], "paused");
    assert_eq!(task(&server, &last)["step"], 29);
    let none = takes(&server, &project, &json!({"pause_at": null, "steps": 3})).remove(0);
    server.wait_for_task(&none["task_id"], "completed");
}

#[test]
fn a_repeated_request_gets_the_same_takes_and_their_stop_is_part_of_it() {
    let server = TestServer::start();
    let project = server.create("Repeated");
    let body = json!({"prompt": "a star", "steps": 9, "num_variants": 2, "pause_at": 4, "width": 64, "height": 64});
    let first = request(&server, &project, &body, Some("k"));
    let tasks = first.json()["tasks"].clone();
    server.wait_for_task(&tasks[0]["task_id"], "paused");
    done(&server, &tasks[0], "resume");
    let again = request(&server, &project, &body, Some("k"));
    assert_eq!((again.status, &again.json()["tasks"]), (202, &tasks));
    assert_eq!(server.get("/api/v1/tasks").json().as_array().map(Vec::len), Some(2));
    let other = request(&server, &project, &with(&body, &json!({"pause_at": 5})), Some("k"));
    assert_eq!(other.status, 409, "{}", other.text);
    server.wait_for_task(&tasks[0]["task_id"], "completed");
    server.wait_for_task(&tasks[1]["task_id"], "paused");
}

#[test]
fn one_that_is_resumed_before_its_step_does_not_stop() {
    let server = TestServer::start();
    let project = server.create("No stop");
    let parameters = json!({"steps": 300, "sampler": "euler_ancestral"});
    let whole = reference(&server, &project, &parameters);
    let stops = with(&parameters, &json!({"pause_at": 299}));
    // While it forms, and while it waits.
    let running = begun(&server, &project, &stops, 3);
    let waiting = ask(&server, &project, &with(&stops, &json!({"overnight": true})));
    for made in [&running, &waiting] {
        let resumed = done(&server, made, "resume");
        assert_eq!((&resumed["pause_at"], &resumed["status"] == "paused"), (&Value::Null, false), "{resumed}");
    }
    for made in [&running, &waiting] {
        server.wait_for_task(&made["task_id"], "completed");
        assert_eq!(file(&server, made), whole);
        assert_eq!(task(&server, made)["attempt"], 1, "without a stop");
    }
    // Paused by a person before the step: it goes on to the end.
    let picture = begun(&server, &project, &stops, 3);
    assert!(paused(&server, &picture) < 299);
    assert_eq!(task(&server, &picture)["pause_at"], 299);
    done(&server, &picture, "resume");
    server.wait_for_task(&picture["task_id"], "completed");
    assert_eq!(file(&server, &picture), whole);
    // Kept before the step.
    let kept = begun(&server, &project, &stops, 3);
    done(&server, &kept, "keep");
    server.wait_for_task(&kept["task_id"], "completed");
}

#[test]
fn it_stops_and_is_resumed_through_any_server() {
    let Some(place) = Place::new() else { return };
    let (one, web) = (place.server(&[]), place.server(&["--concurrency", "0"]));
    let project = web.create("Rough");
    let whole = generate(&web, &project, 128, 400, 1).remove(0);
    web.wait_for_task(&whole["task_id"], "completed");
    let asked = json!({"prompt": "a red car", "width": 128, "height": 128, "steps": 400, "seed": 7, "pause_at": 390});
    let stops = |server: &TestServer| request(server, &project, &asked, None).json()["tasks"][0].clone();
    let resume = |made: &Value| {
        let answer = web.request("POST", &format!("/api/v1/tasks/{}/resume", made["task_id"]), &[], None);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    };
    let rough = stops(&web);
    let at = wait_for(&web, &rough, "paused", |task| task["status"] == "paused");
    assert_eq!((&at["step"], &task_at(&one, &rough)["pause_at"]), (&json!(390), &json!(390)));
    resume(&rough);
    web.wait_for_task(&rough["task_id"], "completed");
    assert_eq!(file(&web, &rough), file(&web, &whole));
    // Before its step: the server that makes it finds out there, and it goes on as the next attempt.
    let running = stops(&web);
    wait_for(&web, &running, "running", runs_as(1));
    assert_eq!(resume(&running)["pause_at"], Value::Null);
    web.wait_for_task(&running["task_id"], "completed");
    assert_eq!(file(&web, &running), file(&web, &whole));
    let (_, log, _) = one.stop();
    assert!(!log.contains("ERROR"), "{log}");
}
