//! Promise 8: the device or the disk fails during a generation.

use super::{act, file_name, files, frames, generate, names, task};
use crate::support::{Events, TestServer, whole_png};
use serde_json::{Value, json};
use std::{fs, iter, time::Duration};

/// The device fails at step 3 of the first generation with at least three steps.
const LOSES_ITS_DEVICE: [&str; 2] = ["--inject-fault", "device@3"];

const WITHIN: Duration = Duration::from_secs(60);

/// Type, attempt and step of a generation's event.
type Published<'a> = (&'a str, Option<u64>, Option<u64>);

/// Events of one task.
fn events_of<'a>(events: &'a [Value], id: &Value) -> Vec<Published<'a>> {
    let named = |event: &'a Value| (event["type"].as_str().expect("a type"), &event["data"]);
    let of_task =
        events.iter().map(named).filter(|(name, data)| name.starts_with("generation_") && data["task_id"] == *id);
    of_task.map(|(name, data)| (name, data["attempt"].as_u64(), data["step"].as_u64())).collect()
}

/// Events of an attempt that completes.
fn a_whole_attempt(attempt: u64, steps: u64) -> Vec<Published<'static>> {
    let step = |step| ("generation_progress", Some(attempt), Some(step));
    iter::once(("generation_started", Some(attempt), None))
        .chain((1..=steps).map(step))
        .chain(iter::once(("generation_completed", Some(attempt), Some(steps))))
        .collect()
}

/// Content of the picture file, and its modification time.
fn on_disk(server: &TestServer, path: &Value) -> (Vec<u8>, std::time::SystemTime) {
    let file = server.data_dir().join("media").join(file_name(path));
    let written = fs::metadata(&file).and_then(|metadata| metadata.modified()).expect("a time");
    (fs::read(file).expect("a picture"), written)
}

fn takes(server: &TestServer, frame: &Value) -> usize {
    server.get(&format!("/api/v1/frames/{frame}/takes")).json().as_array().map_or(0, Vec::len)
}

#[test]
fn a_device_that_is_lost_costs_one_attempt_and_the_model_is_loaded_again() {
    let server = TestServer::start_with(&LOSES_ITS_DEVICE);
    let project = server.create("Lost");
    let mut events = Events::connect(&server, "");
    let made = generate(&server, &project, &json!({"steps": 20, "preview_method": "latent2rgb"}));
    let received = events.until("frame_deleted", WITHIN);
    let expected = [
        "frame_created",
        "generation_started",
        "frame_updated",
        "generation_progress",
        "generation_progress",
        "generation_failed",
        "frame_deleted",
    ];
    assert_eq!(names(&received), expected, "two steps are received, and the end once");
    let failed = &received.iter().find(|event| event["type"] == "generation_failed").expect("received")["data"];
    assert_eq!((&failed["task_id"], &failed["attempt"]), (&made["task_id"], &json!(1)));
    assert_eq!((&failed["frame_removed"], &failed["frame"]), (&json!(true), &Value::Null));
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("device lost")), "{failed}");
    assert_eq!(received.last().expect("received")["data"]["frame_id"], made["frame_id"]);
    assert!(frames(&server, &project).is_empty() && files(&server).is_empty());
    assert_eq!(server.get(made["preview_path"].as_str().expect("a path")).status, 404);
    let ended = task(&server, &made["task_id"]);
    assert_eq!((&ended["status"], &ended["error"]), (&json!("failed"), &failed["error"]));
    assert_eq!(ended["take_id"], Value::Null);

    // The worker continues and has loaded the model again.
    let next = generate(&server, &project, &json!({"steps": 4}));
    let received = events.until("generation_completed", WITHIN);
    assert_eq!(events_of(&received, &next["task_id"]), a_whole_attempt(1, 4));
    assert_eq!(files(&server), [file_name(&next["preview_path"])]);

    // A retry is a new attempt with its own step numbers, and the frame is restored.
    assert_eq!(act(&server, &made["task_id"], "retry"), 200);
    let received = events.until("generation_completed", WITHIN);
    assert_eq!(events_of(&received, &made["task_id"]), a_whole_attempt(2, 20));
    let back =
        received.iter().find(|event| event["type"] == "frame_created").expect("received")["data"]["frame_id"].clone();
    assert_eq!(back, made["frame_id"]);
    let shown = frames(&server, &project);
    let shown = shown.iter().find(|frame| frame["id"] == back).expect("the frame is back");
    assert_eq!(shown["status"], "ready");
    assert_eq!(whole_png(&server.bytes(shown["path"].as_str().expect("a path")).1), Some((128, 128)));
    assert_eq!((frames(&server, &project).len(), files(&server).len()), (2, 2));

    let (status, log, _) = server.stop();
    assert!(status.success(), "{log}");
    assert_eq!(log.matches("model loaded").count(), 2, "at the start, and after the device was lost: {log}");
}

#[test]
fn a_frame_shows_its_earlier_take_again_after_the_device_is_lost() {
    let server = TestServer::start_with(&LOSES_ITS_DEVICE);
    let project = server.create("Lost under a take");
    let mut events = Events::connect(&server, "");
    let first = generate(&server, &project, &json!({"steps": 2}));
    events.until("generation_completed", WITHIN);
    events.until("frame_updated", WITHIN);
    let (shown, finished) = (frames(&server, &project), on_disk(&server, &first["preview_path"]));
    let lost = generate(&server, &project, &json!({"steps": 20, "frame_id": first["frame_id"]}));
    let received = events.until("generation_failed", WITHIN);
    let expected = [
        "frame_updated",
        "generation_started",
        "frame_updated",
        "generation_progress",
        "generation_progress",
        "generation_failed",
    ];
    assert_eq!(names(&received), expected);
    let failed = &received.last().expect("received")["data"];
    assert_eq!((&failed["task_id"], &failed["frame_removed"]), (&lost["task_id"], &json!(false)));
    assert_eq!(failed["frame"], shown[0], "the event says what the frame shows again");
    let received = events.until("frame_updated", WITHIN);
    assert_eq!(received.last().expect("received")["data"]["path"], first["preview_path"]);
    assert_eq!(frames(&server, &project), shown);
    assert_eq!(on_disk(&server, &first["preview_path"]), finished, "nobody wrote to the finished picture");
    assert_eq!(files(&server), [file_name(&first["preview_path"])]);
    assert_eq!(takes(&server, &first["frame_id"]), 1);

    assert_eq!(act(&server, &lost["task_id"], "retry"), 200);
    server.wait_for_task(&lost["task_id"], "completed");
    assert_ne!(frames(&server, &project)[0]["path"], first["preview_path"], "the new take is shown");
    assert_eq!(on_disk(&server, &first["preview_path"]), finished);
    assert_eq!((takes(&server, &first["frame_id"]), files(&server).len()), (2, 2));
}

#[test]
fn a_frame_shows_its_earlier_take_again_after_the_disk_failed() {
    let server = TestServer::start();
    let project = server.create("Disk under a take");
    let first = generate(&server, &project, &json!({"steps": 2}));
    server.wait_for_task(&first["task_id"], "completed");
    let (shown, finished) = (frames(&server, &project), on_disk(&server, &first["preview_path"]));
    assert_eq!(server.request("POST", "/api/v1/queue/pause", &[], None).status, 200);
    let lost = generate(&server, &project, &json!({"steps": 4, "frame_id": first["frame_id"]}));
    // A folder at the path of the file: renaming over it fails, while the rest of the disk works.
    let (first_file, lost_file) = (file_name(&first["preview_path"]), file_name(&lost["preview_path"]));
    let in_the_way = server.data_dir().join("media").join(&lost_file);
    fs::remove_file(&in_the_way).expect("the first preview was there");
    fs::create_dir(&in_the_way).expect("made");
    let mut events = Events::connect(&server, "");
    assert_eq!(server.request("POST", "/api/v1/queue/resume", &[], None).status, 200);
    let received = events.until("generation_failed", WITHIN);
    let steps = received.iter().filter(|event| event["type"] == "generation_progress").count();
    assert_eq!(steps, 4, "a preview that cannot be written fails nothing");
    let failed = &received.last().expect("received")["data"];
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("could not be written")), "{failed}");
    assert_eq!((&failed["frame_removed"], &failed["frame"]), (&json!(false), &shown[0]));
    assert_eq!(frames(&server, &project), shown);
    assert_eq!(on_disk(&server, &first["preview_path"]), finished);
    let mut left = vec![first_file, lost_file];
    left.sort();
    assert_eq!(files(&server), left, "no write left a part of itself");

    fs::remove_dir(&in_the_way).expect("nothing is in it");
    assert_eq!(act(&server, &lost["task_id"], "retry"), 200);
    server.wait_for_task(&lost["task_id"], "completed");
    assert_eq!((takes(&server, &first["frame_id"]), files(&server).len()), (2, 2));
}

/// Promise 1: first the file, then the rows, then the event. If the file cannot be written, the others do not happen.
#[test]
fn what_cannot_be_written_is_neither_recorded_nor_published() {
    let server = TestServer::start();
    let project = server.create("Refused");
    let mut events = Events::connect(&server, "");
    fs::remove_dir_all(server.data_dir().join("media")).expect("the disk is gone");
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    let refused = server.send("POST", &path, &json!({"prompt": "a star", "steps": 1000, "num_variants": 3}));
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(frames(&server, &project).is_empty());
    assert_eq!(server.get(&format!("/api/v1/tasks?project_id={}", project["id"])).json(), json!([]));
    server.create("later");
    let received = events.until("project_updated", WITHIN);
    assert!(names(&received).is_empty(), "{received:?}");
}
