//! Generations with the real engine and the embedded starter model. Tests the promises of the preview system.

mod faults;
mod order;
mod waits;

use crate::support::{Events, TestServer, whole_png};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::HashSet,
    fs, thread,
    time::{Duration, Instant},
};

/// Requests a generation and returns its first task from the answer.
fn generate(server: &TestServer, project: &Value, more: &Value) -> Value {
    let mut body = json!({"prompt": "a red car on a yellow background", "seed": 7, "width": 128, "height": 128});
    merge(&mut body, more);
    let answer = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &body);
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()["tasks"][0].clone()
}

fn merge(into: &mut Value, more: &Value) {
    for (name, value) in more.as_object().expect("an object") {
        into[name] = value.clone();
    }
}

fn task(server: &TestServer, id: &Value) -> Value {
    server.get(&format!("/api/v1/tasks/{id}")).json()
}

fn frames(server: &TestServer, project: &Value) -> Vec<Value> {
    let answer = server.get(&format!("/api/v1/projects/{}/frames", project["id"]));
    answer.json().as_array().expect("a list").clone()
}

fn act(server: &TestServer, id: &Value, verb: &str) -> u16 {
    server.request("POST", &format!("/api/v1/tasks/{id}/{verb}"), &[], None).status
}

/// File names in the media folder, without its identity file.
fn files(server: &TestServer) -> Vec<String> {
    let entries = fs::read_dir(server.data_dir().join("media")).expect("the folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != ".media.id");
    names.sort();
    names
}

fn file_name(path: &Value) -> String {
    path.as_str().expect("a path").trim_start_matches("/media/").to_owned()
}

/// Types of the events about generations and frames, in order.
fn names(events: &[Value]) -> Vec<&str> {
    let names = events.iter().map(|event| event["type"].as_str().expect("a type"));
    names.filter(|name| name.starts_with("generation_") || name.starts_with("frame_")).collect()
}

/// The rescale factor of the guidance reaches the model, the task and the picture's record.
#[test]
fn guidance_is_rescaled() {
    let server = TestServer::start();
    let project = server.create("Rescaled");
    let picture = |more: &Value| {
        let made = generate(&server, &project, &merged(json!({"steps": 4, "cfg_scale": 8.0}), more));
        server.wait_for_task(&made["task_id"], "completed");
        let file = fs::read(server.data_dir().join("media").join(file_name(&made["preview_path"]))).expect("a picture");
        (task(&server, &made["task_id"])["parameters"]["cfg_rescale"].clone(), file)
    };
    let (plain, rescaled) = (picture(&json!({})), picture(&json!({"cfg_rescale": 0.7})));
    assert_eq!((&plain.0, &rescaled.0), (&json!(0.0), &json!(0.7)));
    assert_ne!(plain.1, rescaled.1);
    assert_eq!(picture(&json!({"cfg_rescale": 0.0})).1, plain.1);
    let read = server.request("POST", "/api/v1/inspect-png", &[], Some(&rescaled.1)).json();
    assert_eq!(read["parameters"]["cfg_rescale"], 0.7);
    assert_eq!(read["record"]["settings"]["cfg_rescale"], 0.7);
    assert!(read["a1111"].as_str().is_some_and(|text| text.contains(", CFG rescale: 0.7,")), "{read}");
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    let beyond = server.send("POST", &path, &json!({"prompt": "a star", "cfg_rescale": 1.5}));
    assert_eq!(beyond.status, 422);
    assert_eq!(beyond.json()["errors"][0]["message"], "must be a number from 0 to 1, not 1.5");
}

fn merged(mut into: Value, more: &Value) -> Value {
    merge(&mut into, more);
    into
}

/// Unsupported prompt syntax is reported in the answer, and in the task for as long as it exists.
#[test]
fn syntax_that_is_read_as_words_is_a_warning() {
    let server = TestServer::start();
    let project = server.create("Words");
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    let asked = json!({
        "prompt": "a fox <hypernet:detail:0.8>, at [10:30]", "negative_prompt": "[blur|grain] <lora:x>", "steps": 1,
        "width": 128, "height": 128, "seed": 1,
    });
    let answer = server.send("POST", &path, &asked);
    let expected = json!([
        {"field": "prompt", "message": "`<hypernet:detail:0.8>` is left out: hypernetworks are not supported"},
        {
            "field": "negative_prompt",
            "message": "`<lora:x>` is read as words: LoRA files are named in the prompt, not in the negative prompt",
        },
    ]);
    assert_eq!((answer.status, &answer.json()["warnings"]), (202, &expected));
    let id = answer.json()["tasks"][0]["task_id"].clone();
    assert_eq!(task(&server, &id)["warnings"], expected);
    let listed = server.get("/api/v1/tasks").json();
    assert_eq!(listed[0]["warnings"], expected);
    let plain = server.send("POST", &path, &json!({"prompt": "a (red:1.2) fox BREAK [dim]", "steps": 1}));
    assert_eq!((plain.status, &plain.json()["warnings"]), (202, &json!([])));

    // The form shows the same warnings while the user types.
    let form = b"prompt=a+fox+%3Chypernet%3Adetail%3A0.8%3E%2C+at+%5B10%3A30%5D&negative_prompt=%5Bblur%7Cgrain%5D+%3Clora%3Ax%3E";
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let counted = server.request("POST", "/fn/prompts/count", &[kind], Some(form)).json();
    let counted: Value = serde_json::from_str(counted.as_str().expect("packed")).expect("JSON");
    assert_eq!((&counted["warnings"], &counted["chunks"]), (&expected, &json!(1)));

    let breaks = server.send("POST", &path, &json!({"prompt": "a BREAK ".repeat(65)}));
    assert_eq!((breaks.status, &breaks.json()["errors"][0]["field"]), (422, &json!("prompt")), "{}", breaks.text);
}

#[test]
fn a_generation_is_published_step_by_step_and_its_picture_stays_at_its_address() {
    let server = TestServer::start();
    let project = server.create("Storm");
    let mut events = Events::connect(&server, "");
    let made = generate(&server, &project, &json!({"steps": 12, "preview_method": "latent2rgb"}));
    let path = made["preview_path"].as_str().expect("a path").to_owned();
    // Promise 1: a published address always has a picture.
    assert!(whole_png(&server.bytes(&path).1).is_some(), "the first preview is there with the answer");

    let of_task = events.until("generation_completed", Duration::from_secs(60));
    let names: Vec<_> = of_task.iter().map(|event| event["type"].as_str().expect("a type")).collect();
    let order: Vec<_> =
        names.iter().filter(|name| name.starts_with("generation_") || **name == "frame_created").collect();
    let mut expected = vec!["frame_created", "generation_started"];
    expected.extend(["generation_progress"; 12]);
    expected.push("generation_completed");
    assert_eq!(order.into_iter().copied().collect::<Vec<_>>(), expected);
    let seqs: Vec<_> = of_task.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");

    // Promise 2: every step is reported once, in order.
    let progress: Vec<_> = of_task.iter().filter(|event| event["type"] == "generation_progress").collect();
    let steps: Vec<_> = progress.iter().map(|event| event["data"]["step"].as_u64().expect("a step")).collect();
    assert_eq!(steps, (1..=12).collect::<Vec<_>>());
    for event in &progress {
        let data = &event["data"];
        assert_eq!(
            (&data["task_id"], &data["total_steps"], &data["attempt"]),
            (&made["task_id"], &json!(12), &json!(1))
        );
        assert_eq!(data["preview_path"].as_str(), Some(path.as_str()));
        assert!(data["eta_ms"].is_u64(), "{data}");
    }
    // Promise 5: the address stays the same, and the final picture is in place before the event is sent.
    let completed = &of_task.iter().find(|event| event["type"] == "generation_completed").expect("there")["data"];
    assert_eq!(completed["final_path"].as_str(), Some(path.as_str()));
    let (answer, png) = server.bytes(&path);
    assert_eq!(answer.header("etag"), format!("\"{}\"", completed["etag"].as_str().expect("a tag")));
    assert_eq!(whole_png(&png), Some((128, 128)));
    let info = png_info::read(&png).expect("a PNG").parameters.expect("its record");
    assert_eq!((info.prompt.as_str(), info.seed, info.steps), ("a red car on a yellow background", 7, 12));

    let frames = frames(&server, &project);
    assert_eq!(frames.len(), 1);
    assert_eq!(
        (&frames[0]["status"], &frames[0]["path"], &frames[0]["position"]),
        (&json!("ready"), &json!(path), &json!(0))
    );
    assert_eq!(files(&server), [file_name(&json!(path))]);
    let done = task(&server, &made["task_id"]);
    assert_eq!((&done["status"], &done["step"], &done["seed"]), (&json!("completed"), &json!(12), &json!(7)));
    assert_eq!(server.get("/api/v1/projects").json()[0]["cover"].as_str(), Some(path.as_str()));
}

#[test]
fn the_same_seed_makes_the_same_picture_and_previews_do_not_change_it() {
    let server = TestServer::start();
    let project = server.create("Twice");
    let pictures: Vec<_> = ["latent2rgb", "taesd", "none"]
        .map(|method| {
            let made = generate(&server, &project, &json!({"steps": 4, "preview_method": method}));
            server.wait_for_task(&made["task_id"], "completed");
            let png = server.bytes(made["preview_path"].as_str().expect("a path")).1;
            image::load_from_memory(&png).expect("a picture").to_rgb8()
        })
        .into();
    assert!(pictures.iter().all(|picture| *picture == pictures[0]));
}

/// Promises 3, 4 and 6: each read returns a complete picture, never an older one after a newer one, and the ETag
/// belongs to these bytes.
#[test]
fn a_reader_without_pause_sees_whole_pictures_in_their_order() {
    let server = TestServer::start();
    let project = server.create("Read");
    let made = generate(&server, &project, &json!({"steps": 40, "preview_method": "latent2rgb"}));
    let path = made["preview_path"].as_str().expect("a path");
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut last_tag = String::new();
    let mut answers = 0;
    loop {
        let ended = task(&server, &made["task_id"])["status"] == "completed";
        let (answer, png) = server.bytes(path);
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-cache"));
        assert!(whole_png(&png).is_some(), "{} bytes are no whole picture", png.len());
        let hash: String = Sha256::digest(&png).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(answer.header("etag"), format!("\"{hash}\""), "header and body are of one file");
        answers += 1;
        if seen.last() != Some(&png) {
            assert!(!seen.contains(&png), "an older picture came back after {} others", seen.len());
            if !seen.is_empty() {
                let old = server.request("GET", path, &[("if-none-match", &last_tag)], None);
                assert_eq!(old.status, 200, "not modified, and yet another picture is there");
            }
            seen.push(png);
            last_tag = answer.header("etag").to_owned();
        }
        if ended {
            break;
        }
    }
    assert!(seen.len() > 10 && answers > 20, "{} pictures in {answers} answers", seen.len());
}

#[test]
fn a_deleted_project_makes_nothing_more() {
    let server = TestServer::start();
    let project = server.create("Deleted");
    let running = generate(&server, &project, &json!({"steps": 1000}));
    let waiting = generate(&server, &project, &json!({"steps": 1000}));
    server.wait_for_start(&running["task_id"], 1);
    let mut events = Events::connect(&server, "");
    let path = format!("/api/v1/projects/{}", project["id"]);
    assert!(server.request("DELETE", &path, &[], None).status < 300);
    for made in [&running, &waiting] {
        let received = events.until("generation_cancelled", Duration::from_secs(10));
        assert_eq!(received.last().expect("received")["data"]["task_id"], made["task_id"]);
    }
    server.wait_for_idle();
    assert!(files(&server).is_empty());
    assert!(server.request("POST", &format!("{path}/restore"), &[], None).status < 300);
    for made in [&running, &waiting] {
        assert_eq!(task(&server, &made["task_id"])["status"], "cancelled", "it does not begin again");
    }
}

#[test]
fn a_cancelled_generation_leaves_nothing() {
    let server = TestServer::start();
    let project = server.create("Cancelled");
    let mut events = Events::connect(&server, "");
    let made = generate(&server, &project, &json!({"steps": 1000}));
    events.until("generation_progress", Duration::from_secs(60));
    assert_eq!(act(&server, &made["task_id"], "cancel"), 200);
    let received = events.until("generation_cancelled", Duration::from_secs(10));
    assert_eq!(received.last().expect("received")["data"]["frame_removed"], true);
    events.until("frame_deleted", Duration::from_secs(10));
    assert!(frames(&server, &project).is_empty() && files(&server).is_empty());
    let (answer, _) = server.bytes(made["preview_path"].as_str().expect("a path"));
    assert_eq!(answer.status, 404);
    assert_eq!(act(&server, &made["task_id"], "cancel"), 409);
    assert_eq!(act(&server, &made["task_id"], "keep"), 409);
    let gone = task(&server, &made["task_id"]);
    assert_eq!((&gone["status"], &gone["take_id"]), (&json!("cancelled"), &Value::Null));
    // The sampler stops within its current step. Afterwards it writes no file and sends no event, and the next task
    // starts.
    let next = generate(&server, &project, &json!({"steps": 2}));
    server.wait_for_task(&next["task_id"], "completed");
    assert_eq!(files(&server), [file_name(&next["preview_path"])]);
    let later = events.until("generation_completed", Duration::from_secs(10));
    assert!(later.iter().all(|event| event["data"]["task_id"] != made["task_id"]), "{later:?}");

    // Cancel a queued task, then retry it.
    assert_eq!(server.request("POST", "/api/v1/queue/pause", &[], None).status, 200);
    let waiting = generate(&server, &project, &json!({"steps": 2}));
    assert_eq!(act(&server, &waiting["task_id"], "cancel"), 200);
    assert_eq!(frames(&server, &project).len(), 1);
    assert_eq!(act(&server, &waiting["task_id"], "retry"), 200);
    assert_eq!(frames(&server, &project).len(), 2);
    let again = task(&server, &waiting["task_id"])["preview_path"].clone();
    assert!(whole_png(&server.bytes(again.as_str().expect("a path")).1).is_some(), "with a first preview of its own");
    assert_eq!(act(&server, &waiting["task_id"], "retry"), 409);
    assert_eq!(server.request("POST", "/api/v1/queue/resume", &[], None).status, 200);
    server.wait_for_task(&waiting["task_id"], "completed");
    assert_eq!(files(&server).len(), 2);
}

#[test]
fn a_kept_generation_ends_with_the_estimate_that_it_has() {
    let server = TestServer::start();
    let project = server.create("Kept");
    let mut events = Events::connect(&server, "");
    let made = generate(&server, &project, &json!({"steps": 1000}));
    assert_eq!(server.request("POST", "/api/v1/tasks/999/keep", &[], None).status, 404);
    events.until("generation_progress", Duration::from_secs(60));
    assert_eq!(act(&server, &made["task_id"], "keep"), 200);
    let received = events.until("generation_completed", Duration::from_secs(20));
    let step = received.last().expect("received")["data"]["step"].as_u64().expect("a step");
    assert!((1..1000).contains(&step), "{step}");
    let kept = task(&server, &made["task_id"]);
    assert_eq!((&kept["status"], &kept["step"]), (&json!("completed"), &json!(step)));
    assert_eq!(whole_png(&server.bytes(made["preview_path"].as_str().expect("a path")).1), Some((128, 128)));
}

#[test]
fn takes_of_one_frame_stay_and_can_be_chosen_and_deleted() {
    let server = TestServer::start();
    let project = server.create("Takes");
    let made = generate(&server, &project, &json!({"steps": 2, "num_variants": 2}));
    server.wait_for_idle();
    let list = |frame: &Value| server.get(&format!("/api/v1/frames/{frame}/takes")).json();
    let takes = list(&made["frame_id"]);
    assert_eq!((takes.as_array().map(Vec::len), &takes[0]["seed"], &takes[1]["seed"]), (Some(2), &json!(8), &json!(7)));
    assert_eq!(frames(&server, &project)[0]["take_id"], takes[0]["id"], "the one completed last is shown");

    let patch = |body: Value| server.send("PATCH", &format!("/api/v1/frames/{}", made["frame_id"]), &body);
    assert_eq!(patch(json!({"take_id": takes[1]["id"]})).json()["path"], takes[1]["path"]);
    // Cancel a third task while it runs: the frame shows its earlier picture again.
    let mut events = Events::connect(&server, "");
    let third = generate(&server, &project, &json!({"steps": 1000, "frame_id": made["frame_id"]}));
    events.until("generation_progress", Duration::from_secs(60));
    assert_eq!(frames(&server, &project)[0]["task_id"], third["task_id"], "the running one is shown");
    assert_eq!(act(&server, &third["task_id"], "cancel"), 200);
    let received = events.until("generation_cancelled", Duration::from_secs(10));
    assert_eq!(received.last().expect("received")["data"]["frame_removed"], false);
    assert_eq!(frames(&server, &project)[0]["path"], takes[1]["path"]);

    let delete = |id: &Value| server.request("DELETE", &format!("/api/v1/takes/{id}"), &[], None).status;
    assert_eq!(delete(&takes[1]["id"]), 204);
    assert_eq!(frames(&server, &project)[0]["path"], takes[0]["path"]);
    assert_eq!(delete(&takes[0]["id"]), 409, "its only picture");
    assert_eq!(delete(&takes[1]["id"]), 404);
    // Its picture stays: it can be restored.
    let bin = || server.get(&format!("/api/v1/projects/{}/bin", project["id"])).json();
    assert_eq!((&bin()["items"][0]["take_id"], files(&server).len()), (&takes[1]["id"], 2));
    let restored = server.request("POST", &format!("/api/v1/takes/{}/restore", takes[1]["id"]), &[], None);
    assert_eq!((restored.status, &restored.json()["path"]), (200, &takes[0]["path"]), "the other stays selected");
    let listed = server.get(&format!("/api/v1/frames/{}/takes", restored.json()["id"])).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(
        bin()["items"].as_array().map(|items| items.iter().filter(|item| item["kind"] == "take").count()),
        Some(0)
    );
    assert_eq!(delete(&takes[1]["id"]), 204);

    // Use a take as the initial picture.
    let from = generate(&server, &project, &json!({"steps": 8, "init_take_id": takes[0]["id"], "strength": 0.5}));
    server.wait_for_task(&from["task_id"], "completed");
    assert_eq!(task(&server, &from["task_id"])["total_steps"], 4, "half of eight steps are made");
}

#[test]
fn four_at_once_share_the_model_and_none_is_lost_or_doubled() {
    let server = TestServer::start_with(&["--concurrency", "4"]);
    let project = server.create("Four");
    let mut events = Events::connect(&server, "");
    let tasks: Vec<_> =
        (0..6).map(|seed| generate(&server, &project, &json!({"steps": 6, "seed": seed}))["task_id"].clone()).collect();
    tasks.iter().for_each(|id| server.wait_for_task(id, "completed"));
    let received = events.drain(Duration::from_millis(500));
    for id in &tasks {
        let of = |kind: &str| {
            received.iter().filter(|event| event["type"] == kind && event["data"]["task_id"] == *id).count()
        };
        assert_eq!((of("generation_started"), of("generation_progress"), of("generation_completed")), (1, 6, 1));
    }
    let first_end = received.iter().position(|event| event["type"] == "generation_completed").expect("ended");
    let started = received[..first_end].iter().filter(|event| event["type"] == "generation_started").count();
    assert_eq!(started, 4, "four run before the first ends");
    let frames = frames(&server, &project);
    let paths: HashSet<_> = frames.iter().map(|frame| frame["path"].as_str().expect("a path")).collect();
    assert_eq!((frames.len(), paths.len(), files(&server).len()), (6, 6, 6));
}

#[test]
fn every_bad_field_is_named_and_nothing_is_made() {
    let server = TestServer::start();
    let project = server.create("Bad");
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    let cases = [
        (json!({"prompt": "x", "steps": 0}), "steps"),
        (json!({"prompt": "x", "steps": "many"}), "steps"),
        (json!({"prompt": "x", "cfg_scale": 31}), "cfg_scale"),
        (json!({"prompt": "x", "sampler": "eulr"}), "sampler"),
        (json!({"prompt": "x", "scheduler": "cosine"}), "scheduler"),
        (json!({"prompt": "x", "seed": -1}), "seed"),
        (json!({"prompt": "x", "seed": 9_007_199_254_740_992_u64}), "seed"),
        (json!({"prompt": "x", "width": 1001}), "width"),
        (json!({"prompt": "x", "height": 4096}), "height"),
        (json!({"prompt": "x", "model": "nothing"}), "model"),
        (json!({"prompt": "x", "preview_method": "full"}), "preview_method"),
        (json!({"prompt": "x", "preview_interval_ms": 2001}), "preview_interval_ms"),
        (json!({"prompt": "x", "strength": 0.5}), "strength"),
        (json!({"prompt": "x", "init_take_id": 99}), "init_take_id"),
        (json!({"prompt": "x", "num_variants": 0}), "num_variants"),
        (json!({"prompt": "x".repeat(10_001)}), "prompt"),
        (json!({"prompt": 7}), "prompt"),
        (json!({}), "body"),
        (json!({"prompt": "x", "colour": "red"}), "body"),
    ];
    for (body, field) in cases {
        let answer = server.send("POST", &path, &body);
        assert_eq!(answer.status, 422, "{field}: {}", answer.text);
        assert!(answer.bad_fields().iter().any(|bad| bad == field), "{field}: {}", answer.text);
    }
    let unknown = json!({"prompt": "x", "frame_id": 99});
    assert_eq!(server.send("POST", &path, &unknown).status, 404);
    assert_eq!(server.send("POST", "/api/v1/projects/99/generations", &json!({"prompt": "x"})).status, 404);
    for address in ["/api/v1/tasks/99", "/api/v1/tasks/x", "/api/v1/frames/99/takes"] {
        assert_eq!(server.get(address).status, 404, "{address}");
    }
    assert_eq!(server.get("/api/v1/tasks?status=done").bad_fields(), ["status"]);
    assert_eq!(server.get("/api/v1/tasks?project_id=x").bad_fields(), ["project_id"]);
    assert!(frames(&server, &project).is_empty() && files(&server).is_empty());
}

#[test]
fn an_idempotency_key_makes_one_generation_of_two_requests() {
    let server = TestServer::start();
    let project = server.create("Once");
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    let ask = |prompt: &str| {
        let body = json!({"prompt": prompt, "steps": 2, "width": 128, "height": 128}).to_string();
        let headers = [("content-type", "application/json"), ("idempotency-key", "abc")];
        server.request("POST", &path, &headers, Some(body.as_bytes()))
    };
    let (first, second) = (ask("a star"), ask("a star"));
    assert_eq!((first.status, second.status, first.json()), (202, 202, second.json()));
    assert_eq!(ask("another star").status, 409);
    server.wait_for_idle();
    assert_eq!((frames(&server, &project).len(), files(&server).len()), (1, 1));
}

#[test]
fn an_idempotency_key_makes_one_branch_of_two_requests() {
    let server = TestServer::start();
    assert_eq!(server.send("PATCH", "/api/v1/settings", &json!({"trace": "all"})).status, 200);
    let project = server.create("Once");
    let made = generate(&server, &project, &json!({"steps": 4}));
    server.wait_for_idle();
    let branch = |from_step: u32, key: &str| {
        let (path, body) = (format!("/api/v1/takes/{}/branch", made["take_id"]), json!({"from_step": from_step}));
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        server.request("POST", &path, &headers, Some(body.to_string().as_bytes()))
    };
    let (first, second) = (branch(2, "abc"), branch(2, "abc"));
    assert_eq!((first.status, second.status, first.json()), (202, 202, second.json()));
    assert_eq!(branch(3, "abc").status, 409);
    assert_eq!((branch(2, "").status, branch(2, "x y").status), (422, 202));
    server.wait_for_idle();
    // The first steps of a request that changed nothing are not left behind.
    assert_eq!((files(&server).len(), trace_files(&server)), (3, 3));
    // A key that is known is answered although the trace is gone.
    let trace = server.data_dir().join("traces");
    fs::remove_dir_all(&trace).expect("removed");
    assert_eq!(branch(2, "abc").json(), first.json());
}

fn trace_files(server: &TestServer) -> usize {
    fs::read_dir(server.data_dir().join("traces")).expect("a folder").count()
}

#[test]
fn pictures_are_cached_by_their_tags_and_only_keys_are_addresses() {
    let server = TestServer::start();
    let project = server.create("Media");
    let made = generate(&server, &project, &json!({"steps": 2}));
    server.wait_for_idle();
    let path = made["preview_path"].as_str().expect("a path");
    let (answer, png) = server.bytes(path);
    let etag = answer.header("etag").to_owned();
    assert_eq!((answer.header("content-type"), answer.header("x-content-type-options")), ("image/png", "nosniff"));
    let again = server.request("GET", path, &[("if-none-match", &etag)], None);
    assert_eq!((again.status, again.text.as_str(), again.header("cache-control")), (304, "", "no-cache"));
    let versioned = server.get(&format!("{path}?v={}", etag.trim_matches('"')));
    assert!(versioned.header("cache-control").contains("immutable"));
    assert_eq!(server.get(&format!("{path}?v=0000")).header("cache-control"), "no-cache");
    let part = server.request("GET", path, &[("range", "bytes=0-7")], None);
    assert_eq!((part.status, part.header("content-range")), (206, format!("bytes 0-7/{}", png.len()).as_str()));
    let past = server.request("GET", path, &[("range", "bytes=99999999-")], None);
    assert_eq!(past.status, 416);
    for address in [
        "/media/..%2femberline.db",
        "/media/%2e%2e%2femberline.db",
        "/media/..%252femberline.db",
        "/media/%2fetc%2fpasswd",
        "/media/0123456789abcdef%00.png",
        "/media/0123456789abcdef.png",
        "/media/.png",
        "/media/",
    ] {
        let answer = server.get(address);
        assert_eq!(answer.status, 404, "{address}");
    }
    let inspected = server.request("POST", "/api/v1/inspect-png", &[], Some(&png));
    assert_eq!(inspected.json()["parameters"]["seed"], 7);
    assert_eq!(server.request("POST", "/api/v1/inspect-png", &[], Some(b"GIF89a")).status, 422);
}

/// A finished picture is kept in memory until it can be written. A disk that is missing for a while fails no task.
#[test]
fn a_disk_that_goes_and_comes_back_is_waited_for() {
    let server = TestServer::start();
    let project = server.create("Disk");
    let cancelled = generate(&server, &project, &json!({"steps": 60}));
    assert_eq!(act(&server, &cancelled["task_id"], "cancel"), 200);
    let mut events = Events::connect(&server, "");
    let made = generate(&server, &project, &json!({"steps": 60}));
    events.until("generation_progress", Duration::from_secs(60));
    let (media, away) = (server.data_dir().join("media"), server.data_dir().join("unmounted"));
    fs::rename(&media, &away).expect("the disk is gone");
    let waiting_for = || task(&server, &made["task_id"])["waiting_for"].clone();
    let deadline = Instant::now() + Duration::from_secs(60);
    while waiting_for().is_null() {
        assert!(Instant::now() < deadline, "{}", task(&server, &made["task_id"]));
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(waiting_for(), "the folder of the pictures is missing");
    let refused =
        server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &json!({"prompt": "x"}));
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert_eq!(act(&server, &cancelled["task_id"], "retry"), 503);
    let status = &task(&server, &cancelled["task_id"])["status"];
    assert_eq!(status, "cancelled", "nothing is queued without its first preview");
    assert_eq!(task(&server, &made["task_id"])["status"], "running", "nothing ends it but a person");
    fs::rename(&away, &media).expect("the disk is back");
    server.wait_for_task(&made["task_id"], "completed");
    assert_eq!(frames(&server, &project).len(), 1);
}

#[test]
fn a_client_that_comes_back_hears_what_it_missed() {
    let server = TestServer::start();
    let (one, two) = (server.create("One"), server.create("Two"));
    let mut first = Events::connect(&server, "");
    let hello = first.hello.clone();
    let (epoch, seq) = (hello["epoch"].as_str().expect("an epoch"), hello["seq"].as_u64().expect("a seq"));
    generate(&server, &one, &json!({"steps": 3}));
    let heard = first.until("generation_completed", Duration::from_secs(60));
    let heard: Vec<_> = heard.iter().filter(|event| event["seq"].is_u64()).cloned().collect();

    let mut again = Events::connect(&server, &format!("?epoch={epoch}&since={seq}"));
    let replayed = again.until("generation_completed", Duration::from_secs(5));
    let replayed: Vec<_> = replayed.into_iter().filter(|event| event["seq"].is_u64()).collect();
    assert_eq!(replayed, heard);

    let mut narrowed = Events::connect(&server, &format!("?epoch={epoch}&since={seq}&project_id={}", two["id"]));
    generate(&server, &two, &json!({"steps": 2}));
    let narrow = narrowed.until("generation_completed", Duration::from_secs(60));
    let of_one = |event: &&Value| event["data"]["project_id"] == one["id"];
    assert_eq!(narrow.iter().find(of_one), None);

    for (query, kind) in [("?epoch=another&since=1", "resync"), ("?since=999999", "resync")] {
        let mut lost = Events::connect(&server, query);
        lost.until(kind, Duration::from_secs(5));
    }
    let bad = server.request(
        "GET",
        "/ws?since=x",
        &[
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ],
        None,
    );
    assert_eq!(bad.status, 400, "{}", bad.text);
}

#[test]
fn frames_move_last_go_and_come_back() {
    let server = TestServer::start();
    let project = server.create("Timeline");
    (0..3).for_each(|seed| _ = generate(&server, &project, &json!({"steps": 1, "seed": seed})));
    server.wait_for_idle();
    let ids =
        |server: &TestServer| -> Vec<_> { frames(server, &project).iter().map(|frame| frame["id"].clone()).collect() };
    let before = ids(&server);
    let moved = server.send("PATCH", &format!("/api/v1/frames/{}", before[2]), &json!({"position": 0, "duration": 3}));
    assert_eq!((moved.status, &moved.json()["duration"]), (200, &json!(3)));
    assert_eq!(ids(&server), [before[2].clone(), before[0].clone(), before[1].clone()]);
    let bad = server.send("PATCH", &format!("/api/v1/frames/{}", before[2]), &json!({"duration": 0}));
    assert_eq!(bad.bad_fields(), ["duration"]);
    let path = format!("/api/v1/frames/{}", before[0]);
    assert_eq!(server.request("DELETE", &path, &[], None).status, 204);
    assert_eq!(server.request("DELETE", &path, &[], None).status, 404);
    assert_eq!(ids(&server), [before[2].clone(), before[1].clone()]);
    assert_eq!(server.request("POST", &format!("{path}/restore"), &[], None).status, 200);
    assert_eq!(ids(&server), [before[2].clone(), before[0].clone(), before[1].clone()]);
}

#[test]
fn the_queue_is_reordered_paused_and_survives_a_restart() {
    let server = TestServer::start();
    let project = server.create("Queue");
    assert_eq!(server.request("POST", "/api/v1/queue/pause", &[], None).json()["paused"], true);
    let tasks: Vec<_> =
        (0..3).map(|seed| generate(&server, &project, &json!({"steps": 1, "seed": seed}))["task_id"].clone()).collect();
    let order = server.send("PUT", "/api/v1/queue/order", &json!({"task_ids": [tasks[2]]}));
    let ids = |queue: Value| -> Vec<_> {
        queue["tasks"].as_array().expect("a list").iter().map(|task| task["task_id"].clone()).collect()
    };
    let expected = [tasks[2].clone(), tasks[0].clone(), tasks[1].clone()];
    assert_eq!(ids(order.json()), expected);
    assert_eq!(server.send("PUT", "/api/v1/queue/order", &json!({"task_ids": [999]})).status, 404);
    let twice = json!({"task_ids": [tasks[0], tasks[0]]});
    assert_eq!(server.send("PUT", "/api/v1/queue/order", &twice).bad_fields(), ["task_ids"]);
    let (status, log, folder) = server.stop();
    assert!(status.success(), "{log}");
    let server = TestServer::start_in(folder, &[]);
    let queue = server.get("/api/v1/queue").json();
    assert_eq!((&queue["paused"], ids(queue.clone())), (&json!(true), expected.to_vec()));
    assert_eq!(server.request("POST", "/api/v1/queue/resume", &[], None).status, 200);
    server.wait_for_idle();
    assert_eq!(frames(&server, &project).len(), 3);
}

#[test]
fn a_generation_does_not_keep_requests_waiting() {
    let server = TestServer::start();
    let project = server.create("Quick");
    generate(&server, &project, &json!({"steps": 200}));
    let mut times: Vec<_> = (0..20)
        .map(|_| {
            let started = Instant::now();
            generate(&server, &project, &json!({"steps": 1}));
            started.elapsed()
        })
        .collect();
    times.sort();
    // Not a benchmark: a request that waited for a step or for the model would take seconds.
    assert!(times[10] < Duration::from_secs(1), "{times:?}");
}
