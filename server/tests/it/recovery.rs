//! Promise 9: after a kill at any moment, the server starts with consistent rows and files.

use crate::{
    checker::check,
    support::{TestServer, whole_png},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// Files in the media folder, without its identity file.
fn pictures(media: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(media).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| !path.ends_with(".media.id")).collect()
}

/// A random number below `below`; differs between runs.
fn random(below: u64) -> u64 {
    rand::random::<u64>() % below
}

/// Retries failed tasks. A task that was running at two kills fails and is not retried automatically.
fn try_failed_again(server: &TestServer) {
    for task in server.get("/api/v1/tasks?status=failed").json().as_array().expect("a list") {
        assert!(task["error"].as_str().is_some_and(|why| why.contains("the server ended 2 times")), "{task}");
        assert!(task["attempt"].as_u64() >= Some(2), "{task}");
        let path = format!("/api/v1/tasks/{}/retry", task["id"]);
        assert_eq!(server.request("POST", &path, &[], None).status, 200);
    }
}

#[test]
fn killed_at_any_moment_it_comes_back_whole() {
    const KILLS: usize = 25;
    let mut folder: TempDir = tempfile::tempdir().expect("a folder");
    let mut asked = 0;
    for kill in 0..KILLS {
        let server = TestServer::start_in(folder, &["--concurrency", "2"]);
        let project = match server.get("/api/v1/projects").json()[0]["id"].clone() {
            serde_json::Value::Null => server.create("Killed")["id"].clone(),
            id => id,
        };
        try_failed_again(&server);
        // Interrupted tasks run again or are queued.
        let queue = server.get("/api/v1/queue").json();
        let waiting = queue["tasks"].as_array().expect("a list").len();
        if waiting < 3 {
            let steps = 1 + random(6);
            let body =
                json!({"prompt": "a star", "steps": steps, "num_variants": 1 + random(2), "width": 64, "height": 64});
            let path = format!("/api/v1/projects/{project}/generations");
            let answer = server.send("POST", &path, &body);
            assert_eq!(answer.status, 202, "{}", answer.text);
            asked += answer.json()["tasks"].as_array().expect("a list").len();
        }
        // Every fifth kill falls into recovery or before the first preview; the others mostly into sampling steps.
        thread::sleep(Duration::from_millis(if kill % 5 == 0 { random(30) } else { random(900) }));
        folder = server.kill();
    }
    let server = TestServer::start_in(folder, &["--concurrency", "2"]);
    try_failed_again(&server);
    server.wait_for_idle();
    let (status, log, folder) = server.stop();
    assert!(status.success(), "{log}");
    let by_status = check(&folder.path().join("data"));
    assert_eq!(by_status, BTreeMap::from([("completed".to_owned(), asked)]), "every task ends with its one picture");
}

#[test]
fn what_a_crash_left_behind_is_repaired_at_the_next_start() {
    let server = TestServer::start();
    let project = server.create("Crash");
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    // No previews: a kill during a write would leave an unfinished file that the test does not expect.
    let ask = |server: &TestServer, steps: u32| {
        let asked = json!({"prompt": "a star", "steps": steps, "width": 64, "height": 64, "preview_method": "none"});
        server.send("POST", &path, &asked).json()
    };
    ask(&server, 1);
    ask(&server, 1);
    server.wait_for_idle();
    let running = ask(&server, 1000)["tasks"][0].clone();
    let waiting = ask(&server, 1)["tasks"][0].clone();
    server.wait_for_start(&running["task_id"], 1);
    let folder = server.kill();
    let media = folder.path().join("data/media");
    assert_eq!(pictures(&media).len(), 4);
    // An orphaned picture, an unfinished write, a truncated preview, and an unrelated file that must stay.
    fs::write(media.join(format!("{}.png", "f".repeat(32))), "orphan").expect("written");
    fs::write(media.join(format!("{}.3.tmp", "e".repeat(32))), "half").expect("written");
    let name = waiting["preview_path"].as_str().expect("a path").trim_start_matches("/media/");
    fs::write(media.join(name), "broken").expect("written");
    fs::write(folder.path().join("data/notes.txt"), "mine").expect("written");

    let data = folder.path().join("data").display().to_string();
    let seen = crate::support::run(&["doctor", "--data-dir", &data]);
    let text = String::from_utf8_lossy(&seen.stdout).into_owned();
    assert!(text.contains("1 interrupted tasks, 1 files without a row, 1 unfinished files, 1 lost previews"), "{text}");

    let server = TestServer::start_in(folder, &[]);
    assert!(whole_png(&server.bytes(waiting["preview_path"].as_str().expect("a path")).1).is_some());
    let task = server.get(&format!("/api/v1/tasks/{}", running["task_id"])).json();
    assert!(matches!(task["status"].as_str(), Some("queued" | "running")), "{task}");
    let cancel = format!("/api/v1/tasks/{}/cancel", running["task_id"]);
    server.wait_for_start(&running["task_id"], 2);
    assert_eq!(server.request("POST", &cancel, &[], None).status, 200);
    server.wait_for_idle();
    let (_, _, folder) = server.stop();
    assert_eq!(check(&folder.path().join("data")), BTreeMap::from([("completed".to_owned(), 3)]));

    // A finished picture was deleted by hand: its take and frame are removed, the rest stays.
    let media = folder.path().join("data/media");
    fs::remove_file(&pictures(&media)[0]).expect("removed");
    let server = TestServer::start_in(folder, &[]);
    let frames = server.get(&format!("/api/v1/projects/{}/frames", project["id"])).json();
    assert_eq!(frames.as_array().map(Vec::len), Some(2));
    let (_, _, folder) = server.stop();
    check(&folder.path().join("data"));
}

#[test]
fn a_database_and_pictures_that_are_not_each_others_are_left_alone() {
    let made = |name: &str| {
        let server = TestServer::start();
        let project = server.create(name);
        let path = format!("/api/v1/projects/{}/generations", project["id"]);
        server.send("POST", &path, &json!({"prompt": "a star", "steps": 1, "width": 64, "height": 64}));
        server.wait_for_idle();
        server.stop().2
    };
    let (one, other) = (made("One"), made("Other"));
    let (data, of_other) = (one.path().join("data"), other.path().join("data"));
    let start = |arguments: &[&str]| {
        let data = data.display().to_string();
        let serve = [&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data], arguments].concat();
        let output = crate::support::run(&serve);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let foreign = format!("sqlite://{}", of_other.join("emberline.db").display());
    let said = start(&["--database-url", &foreign]);
    assert!(said.contains("do not belong together") && said.contains("--database-url"), "{said}");
    let fresh = format!("sqlite://{}", one.path().join("new.db").display());
    let said = start(&["--database-url", &fresh]);
    assert!(said.contains("the folder has 1 pictures, and the database knows none"), "{said}");
    // The media folder is lost together with its identity file.
    fs::rename(data.join("media"), data.join("unmounted")).expect("moved");
    let said = start(&[]);
    assert!(said.contains("the database has 1 finished pictures, and none is in the folder"), "{said}");
    assert!(!data.join("media").exists(), "it is not made in the place of the one that is missing");
    fs::rename(data.join("unmounted"), data.join("media")).expect("moved");
    assert_eq!(pictures(&data.join("media")).len(), 1);
    let server = TestServer::start_in(one, &[]);
    assert_eq!(server.names(), ["One"]);
    check(&server.stop().2.path().join("data"));
}

#[test]
fn interrupted_tasks_are_marked_failed_where_that_is_the_setting() {
    let server = TestServer::start();
    let project = server.create("Interrupted");
    assert_eq!(server.send("PATCH", "/api/v1/settings", &json!({"interrupted": "fail"})).status, 200);
    assert_eq!(
        server.send("PATCH", "/api/v1/settings", &json!({"interrupted": "forget"})).bad_fields(),
        ["interrupted"]
    );
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    let made =
        server.send("POST", &path, &json!({"prompt": "a star", "steps": 1000, "width": 64, "height": 64})).json();
    let id = made["tasks"][0]["task_id"].clone();
    server.wait_for_start(&id, 1);
    let server = TestServer::start_in(server.kill(), &[]);
    let task = server.get(&format!("/api/v1/tasks/{id}")).json();
    assert_eq!(task["status"], "failed");
    assert!(task["error"].as_str().is_some_and(|error| error.contains("server stopped")), "{task}");
    let (_, _, folder) = server.stop();
    assert!(check(&folder.path().join("data")).is_empty());
}

/// Requests a 64 x 64 picture with `steps` steps. Returns the task's id.
fn ask(server: &TestServer, project: &serde_json::Value, steps: u32) -> serde_json::Value {
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    let asked = json!({"prompt": "a star", "steps": steps, "width": 64, "height": 64, "preview_method": "none"});
    server.send("POST", &path, &asked).json()["tasks"][0]["task_id"].clone()
}

fn task(server: &TestServer, id: &serde_json::Value) -> serde_json::Value {
    server.get(&format!("/api/v1/tasks/{id}")).json()
}

#[test]
fn a_picture_that_ends_the_server_twice_is_not_made_a_third_time_and_those_behind_it_run() {
    let server = TestServer::start();
    let project = server.create("Heavy");
    let (heavy, light) = (ask(&server, &project, 1000), ask(&server, &project, 1));
    server.wait_for_start(&heavy, 1);
    let server = TestServer::start_in(server.kill(), &[]);
    server.wait_for_start(&heavy, 2);
    assert_eq!(task(&server, &light)["status"], "queued");
    let server = TestServer::start_in(server.kill(), &[]);
    let failed = task(&server, &heavy);
    assert_eq!((&failed["status"], &failed["attempt"]), (&json!("failed"), &json!(2)));
    let why = failed["error"].as_str().expect("a reason");
    assert!(why.contains("the server ended 2 times") && why.contains("out of memory"), "{why}");
    server.wait_for_task(&light, "completed");
    // A user can still retry the task, any number of times.
    let retry = format!("/api/v1/tasks/{heavy}/retry");
    assert_eq!(server.request("POST", &retry, &[], None).status, 200);
    server.wait_for_start(&heavy, 3);
    let server = TestServer::start_in(server.kill(), &[]);
    server.wait_for_start(&heavy, 4);
    let (_, _, folder) = server.stop();
    check(&folder.path().join("data"));
}

#[test]
fn a_server_that_is_stopped_blames_no_picture() {
    let mut server = TestServer::start();
    let project = server.create("Stopped");
    let id = ask(&server, &project, 1000);
    for attempt in 1..=4 {
        server.wait_for_start(&id, attempt);
        let (status, log, folder) = server.stop();
        assert!(status.success(), "{log}");
        server = TestServer::start_in(folder, &[]);
    }
    server.wait_for_start(&id, 5);
}

#[test]
fn what_ran_beside_a_picture_that_ends_the_server_is_not_blamed_for_it() {
    let two = ["--concurrency", "2"];
    let server = TestServer::start_with(&two);
    let project = server.create("Beside");
    let (heavy, other) = (ask(&server, &project, 1000), ask(&server, &project, 1000));
    server.wait_for_start(&heavy, 1);
    server.wait_for_start(&other, 1);
    let server = TestServer::start_in(server.kill(), &two);
    server.wait_for_start(&heavy, 2);
    thread::sleep(Duration::from_millis(100));
    assert_eq!(task(&server, &other)["status"], "queued", "each is made alone from now on");
    let server = TestServer::start_in(server.kill(), &two);
    assert_eq!(task(&server, &heavy)["status"], "failed");
    server.wait_for_start(&other, 2);
    let cancel = format!("/api/v1/tasks/{other}/cancel");
    assert_eq!(server.request("POST", &cancel, &[], None).status, 200);
    let (_, _, folder) = server.stop();
    assert!(check(&folder.path().join("data")).is_empty());
}
