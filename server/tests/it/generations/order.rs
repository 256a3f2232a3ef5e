//! Order of the events, answers and pictures of one generation.

use super::{frames, generate, names, task};
use crate::support::{Events, TestServer, emberline, whole_png};
use image::RgbImage;
use serde_json::json;
use std::{iter, time::Duration};

const WITHIN: Duration = Duration::from_secs(60);

fn decoded(png: &[u8]) -> RgbImage {
    image::load_from_memory(png).expect("a whole picture").to_rgb8()
}

/// Previews of all steps and the final picture, from the command line, with the same parameters as `generate` in this
/// test module.
fn drawn_without_a_server(steps: usize) -> Vec<RgbImage> {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, previews) = (folder.path().join("out.png"), folder.path().join("previews"));
    let mut command = emberline();
    command.args(["generate", "--prompt", "a red car on a yellow background", "--seed", "7", "--device", "cpu"]);
    command.args(["--width", "128", "--height", "128", "--steps", &steps.to_string(), "--preview", "latent2rgb"]);
    let output =
        command.arg("--preview-dir").arg(&previews).arg("--out").arg(&out).output().expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let previews = (1..=steps).map(|step| previews.join(format!("step_{step:04}.png")));
    previews.chain(iter::once(out)).map(|path| image::open(path).expect("a picture").to_rgb8()).collect()
}

/// Promises 2, 4 and 5, checked on the pictures. The command line writes each step to its own file, which shows to
/// which step a picture belongs.
#[test]
fn the_address_shows_the_steps_in_their_order_and_in_the_end_the_final_picture() {
    const STEPS: usize = 12;
    let server = TestServer::start_with(&["--device", "cpu"]);
    let project = server.create("Forward");
    assert_eq!(server.request("POST", "/api/v1/queue/pause", &[], None).status, 200);
    let asked = json!({"steps": STEPS, "preview_method": "latent2rgb", "preview_interval_ms": 0});
    let made = generate(&server, &project, &asked);
    let path = made["preview_path"].as_str().expect("a path");
    // The queue is paused: the address shows the first preview, number 0.
    let pictures: Vec<_> = iter::once(decoded(&server.bytes(path).1)).chain(drawn_without_a_server(STEPS)).collect();
    let mut events = Events::connect(&server, "");
    assert_eq!(server.request("POST", "/api/v1/queue/resume", &[], None).status, 200);

    let mut shown = 0;
    let mut look = |received: usize| {
        let picture = decoded(&server.bytes(path).1);
        let number = pictures.iter().rposition(|known| *known == picture);
        let number =
            number.unwrap_or_else(|| panic!("after step {received} a picture is shown that is none of the steps'"));
        assert!(number >= shown, "after step {received} picture {number} is shown, and {shown} was before");
        shown = number;
        number
    };
    for step in 1..=STEPS {
        let received = events.until("generation_progress", WITHIN);
        assert_eq!(received.last().expect("received")["data"]["step"], json!(step));
        let number = look(step);
        // Intermediate previews may be skipped when the writer is behind.
        assert!(step != 1 || number >= 1, "the first step is published, and its preview is not there");
        assert!(step != STEPS || number >= STEPS, "the last step is published, and picture {number} is shown");
    }
    events.until("generation_completed", WITHIN);
    assert_eq!(look(STEPS), STEPS + 1, "the picture is published, and a preview is shown");

    // A completed picture is not overwritten, neither during the next generation nor after it.
    let (answer, png) = server.bytes(path);
    let next = generate(&server, &project, &json!({"steps": STEPS, "seed": 8}));
    server.wait_for_task(&next["task_id"], "completed");
    let (later, same) = server.bytes(path);
    assert_eq!((later.header("etag"), same == png), (answer.header("etag"), true));
}

/// Promise 1: when the answer arrives, the event has been sent and the frame, the task and the file exist.
#[test]
fn the_answer_comes_last() {
    let server = TestServer::start();
    let project = server.create("Answered");
    assert_eq!(server.request("POST", "/api/v1/queue/pause", &[], None).status, 200);
    let before = Events::connect(&server, "").hello;
    let made = generate(&server, &project, &json!({"steps": 1}));
    let (epoch, seq) = (before["epoch"].as_str().expect("an epoch"), &before["seq"]);
    let mut events = Events::connect(&server, &format!("?epoch={epoch}&since={seq}"));
    let by_now = events.hello["seq"].as_u64();
    let received = events.until("frame_created", WITHIN);
    let created = received.last().expect("received");
    assert!(created["seq"].as_u64() <= by_now, "{created} was published after the answer, {by_now:?}");
    assert_eq!(created["data"]["path"], made["preview_path"]);
    assert_eq!(frames(&server, &project)[0]["path"], made["preview_path"]);
    assert_eq!(task(&server, &made["task_id"])["status"], "queued");
    assert!(whole_png(&server.bytes(made["preview_path"].as_str().expect("a path")).1).is_some());
}

/// Promises 1 and 4 after a restart: a new attempt is reported once, and each of its steps once.
#[test]
fn a_new_attempt_begins_at_its_own_first_step() {
    // Few enough steps that no progress event is dropped for a slow reader, and pictures large enough to kill the
    // server midway.
    const STEPS: u64 = 20;
    let server = TestServer::start();
    let project = server.create("Again");
    let mut events = Events::connect(&server, "");
    let made = generate(&server, &project, &json!({"steps": STEPS, "width": 256, "height": 256}));
    events.until("generation_progress", WITHIN);
    let server = TestServer::start_in(server.kill(), &[]);
    // All events since the server started, however far its worker has come.
    let mut events = Events::connect(&server, "?since=0");
    let received = events.until("generation_completed", Duration::from_secs(120));
    let of_task: Vec<_> =
        received.iter().filter(|event| event["data"]["preview_path"] == made["preview_path"]).collect();
    assert!(of_task.iter().all(|event| event["data"]["attempt"] == 2), "{of_task:?}");
    // It goes on after the steps whose state was saved, if any was.
    let saved = of_task[0]["data"]["step"].as_u64();
    assert_ne!(saved, Some(0), "without a saved step there is no field");
    let begin = iter::once(json!(saved));
    let expected: Vec<_> = begin.chain((saved.unwrap_or(0) + 1..=STEPS).map(|step| json!(step))).collect();
    let steps: Vec<_> = of_task.iter().map(|event| event["data"]["step"].clone()).collect();
    assert_eq!(steps, expected, "started, then each step once");
    let order = ["generation_started", "frame_updated", "generation_progress"];
    assert_eq!(names(&received)[..3], order, "the frame was there before");
    assert_eq!(
        received.last().expect("received")["data"]["final_path"],
        made["preview_path"],
        "the address is the same"
    );
}
