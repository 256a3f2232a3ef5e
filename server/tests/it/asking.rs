//! A worker that hears nothing of others and asks about its pictures, and a server that starts while it makes one.

use crate::several_servers::{Place, execute, generate, runs_as, task, wait_for};
use crate::several_workers::TestWorker;
use crate::support::Events;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(60);

fn connections(place: &Place, name: &str) -> String {
    let of = "datname = current_database() AND application_name = 'emberline";
    execute(place, &format!("SELECT count(*) FROM pg_stat_activity WHERE {of} ({name})'"))
}

/// A worker hears nothing of others: it asks about its runs, and listens only while it has nothing to do.
#[test]
fn a_worker_does_what_is_asked_of_its_pictures_without_hearing_of_others() {
    let Some(place) = Place::new() else { return };
    let web = place.server(&["--concurrency", "0"]);
    // With such a lease it renews, and reads what is wanted, every seven seconds.
    let worker = TestWorker::start(&place, &["--name", "gpu", "--inject-fault", "slow@60", "--lease", "60"]);
    let waits = |count: &str| {
        let deadline = Instant::now() + WITHIN;
        while execute(&place, "SELECT count(*) FROM servers WHERE waits IS NOT NULL") != count {
            assert!(Instant::now() < deadline, "not {count} in {WITHIN:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    waits("1");
    let project = web.create("Asked");
    let asked = Instant::now();
    let made = generate(&web, &project, 64, 500, 1).remove(0);
    wait_for(&web, &made, "begun", |task| task["status"] == "running");
    assert!(asked.elapsed() < Duration::from_secs(1), "it was woken: {:?}", asked.elapsed());
    waits("0");
    assert_eq!((connections(&place, "events"), connections(&place, "wake-ups")), ("1".into(), "1".into()));
    wait_for(&web, &made, "running", runs_as(1));
    let post = |task: &Value, what: &str| {
        let began = Instant::now();
        let answer = web.request("POST", &format!("/api/v1/tasks/{}/{what}", task["task_id"]), &[], None);
        assert_eq!(answer.status, 200, "{what}: {}", answer.text);
        assert!(began.elapsed() < Duration::from_secs(3), "{what} took {:?}", began.elapsed());
        answer.json()
    };
    assert_eq!(post(&made, "pause")["status"], "paused");
    post(&made, "resume");
    wait_for(&web, &made, "running again", runs_as(2));
    let changed = web.send("PATCH", &format!("/api/v1/tasks/{}", made["task_id"]), &json!({"prompt": "a tree"}));
    assert_eq!((changed.status, &changed.json()["parameters"]["track"][0]["prompt"]), (200, &json!("a tree")));
    assert_eq!(post(&made, "keep")["status"], "completed");
    let gone = generate(&web, &project, 64, 500, 1).remove(0);
    let next = generate(&web, &project, 64, 500, 1).remove(0);
    wait_for(&web, &gone, "running", runs_as(1));
    assert_eq!(post(&gone, "cancel")["status"], "cancelled");
    let cancelled = Instant::now();
    wait_for(&web, &next, "begun", |task| task["status"] == "running");
    assert!(cancelled.elapsed() < Duration::from_secs(2), "{:?}", cancelled.elapsed());
    wait_for(&web, &next, "running", runs_as(1));
    // What the worker may have written before it found out is gone, too.
    let path = gone["preview_path"].as_str().expect("a path");
    let key = path.trim_start_matches("/media/").trim_end_matches(".png");
    for folder in ["media", "traces"] {
        let files = std::fs::read_dir(place.pictures.path().join(folder)).expect("a folder").flatten();
        let left: Vec<_> = files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        assert!(left.iter().all(|name| !name.contains(key)), "{left:?}");
    }
    assert_eq!(post(&next, "cancel")["status"], "cancelled");
    waits("1");
    drop(worker);
}

/// A server that starts while others draw shows what they show, though no step ends for many seconds.
#[test]
fn a_server_that_starts_late_shows_the_present_step_and_preview() {
    let Some(place) = Place::new() else { return };
    let web = place.server(&["--concurrency", "0"]);
    let project = web.create("Late");
    let made = generate(&web, &project, 64, 40, 1).remove(0);
    let _worker = TestWorker::start(&place, &["--inject-fault", "slow@8000"]);
    // The first step's message has come, and the next comes in eight seconds.
    let shown = wait_for(&web, &made, "begun", |task| task["step"] == 1);
    let late = place.server(&["--concurrency", "0"]);
    let hello = Events::connect(&late, "").hello;
    let (here, there) = (task(&late, &made), task(&web, &made));
    assert_eq!(there["step"], shown["step"], "the second server took too long to start");
    assert_eq!((&here["step"], &here["attempt"]), (&json!(1), &json!(1)), "{here}");
    let told = hello["tasks"].as_array().expect("tasks").iter().find(|it| it["task_id"] == made["task_id"]);
    assert_eq!(told.map(|task| &task["step"]), Some(&json!(1)), "{hello}");
    let listed = late.get("/api/v1/queue").json()["tasks"][0].clone();
    assert_eq!((&listed["step"], &listed["task_id"]), (&json!(1), &made["task_id"]));
    let page = late.get(&format!("/projects/{}", project["id"])).text;
    assert!(page.contains("Step 1 of 40"), "{page}");
    let path = made["preview_path"].as_str().expect("a path");
    let (preview, known) = (late.bytes(path), web.bytes(path));
    assert_eq!((preview.0.header("emberline-step"), preview.1), ("1.1", known.1));
}
