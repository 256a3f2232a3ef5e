//! `emberline worker` beside servers: which tasks it takes, and how it ends.

use crate::several_servers::{Place, execute, generate, runs_as, signal_to, task, wait_for};
use crate::support::{Events, TestServer, emberline, run};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

const WITHIN: Duration = Duration::from_secs(60);

/// A running worker.
pub struct TestWorker {
    child: Child,
    ready: String,
}

impl TestWorker {
    pub fn start(place: &Place, more: &[&str]) -> Self {
        let mut child = emberline()
            .args(["worker", "--device", "cpu", "--database-url", &place.url, "--media-url"])
            .arg(place.pictures.path())
            .args(if more.contains(&"--lease") { &[][..] } else { &["--lease", "3"] })
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut ready = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut ready).expect("standard output");
        Self { child, ready: ready.trim_end().to_owned() }
    }

    /// Whether it has said that it is ready.
    pub fn is_ready(&self) -> bool {
        self.ready.contains(" is ready ")
    }

    /// Stops it. Returns its log.
    pub fn stopped(self) -> String {
        signal_to(self.child.id(), "-TERM");
        self.ended().1
    }

    /// Waits until it has ended. Returns whether it succeeded, and its log.
    fn ended(mut self) -> (bool, String) {
        let mut log = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut log).expect("a log");
        (self.child.wait().expect("it ends").success(), log)
    }

    /// Its open ports, by the sockets of its process that listen.
    fn listens(&self) -> bool {
        let listening = |table: &str| {
            let sockets = std::fs::read_to_string(format!("/proc/{}/net/{table}", self.child.id())).unwrap_or_default();
            let inodes = sockets.lines().filter(|line| line.split_whitespace().nth(3) == Some("0A"));
            inodes.filter_map(|line| line.split_whitespace().nth(9).map(str::to_owned)).collect::<Vec<_>>()
        };
        let listening = [listening("tcp"), listening("tcp6")].concat();
        let own = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("its files");
        own.flatten().any(|file| {
            let target = std::fs::read_link(file.path()).unwrap_or_default().display().to_string();
            listening.iter().any(|inode| target == format!("socket:[{inode}]"))
        })
    }
}

impl Drop for TestWorker {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn workers(server: &TestServer) -> Vec<Value> {
    server.get("/api/v1/workers").json().as_array().expect("a list").clone()
}

/// Waits until the list of workers is as wanted. Returns it.
fn workers_when(server: &TestServer, what: &str, is: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let now = workers(server);
        if is(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "not {what} in {WITHIN:?}: {now:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn named<'a>(workers: &'a [Value], name: &str) -> Option<&'a Value> {
    workers.iter().find(|worker| worker["name"] == name)
}

#[test]
fn a_worker_makes_the_pictures_of_a_server_that_makes_none() {
    let Some(place) = Place::new() else { return };
    let web = place.server(&["--concurrency", "0"]);
    let project = web.create("Made elsewhere");
    let made = generate(&web, &project, 128, 60, 1).remove(0);
    // Until there is a worker the task waits and says so.
    let waits = wait_for(&web, &made, "waiting", |task| !task["waiting_for"].is_null());
    assert_eq!(
        (&waits["status"], &waits["waiting_for"]),
        (&json!("queued"), &json!("a worker with the model \"starter\""))
    );
    assert_eq!(web.get("/api/v1/queue").json()["tasks"][0]["waiting_for"], waits["waiting_for"]);
    let mut events = Events::connect(&web, "");
    let worker = TestWorker::start(&place, &["--name", "gpu 1"]);
    let ready = "Emberline worker gpu 1 is ready (models starter, on CPU";
    assert!(worker.ready.starts_with(ready) && worker.ready.ends_with(')'), "{}", worker.ready);
    assert!(!worker.listens(), "it opens no port");
    let runs = wait_for(&web, &made, "running", runs_as(1));
    assert!(runs["waiting_for"].is_null(), "{runs}");
    let listed = workers_when(&web, "listed", |workers| {
        named(workers, "gpu 1")
            .is_some_and(|worker| worker["tasks"] == json!([made["task_id"]]) && worker["loaded"] == json!(["starter"]))
    });
    let gpu = named(&listed, "gpu 1").expect("listed");
    assert_eq!((&gpu["kind"], &gpu["concurrency"], &gpu["draining"]), (&json!("worker"), &json!(1), &json!(false)));
    assert_eq!(gpu["models"][0]["name"], "starter");
    wait_for(&web, &made, "named", |task| task["worker"] == "gpu 1" || task["status"] == "completed");
    web.wait_for_task(&made["task_id"], "completed");
    let path = made["preview_path"].as_str().expect("a path");
    assert_eq!(web.get(path).header("content-type"), "image/png");
    let told = events.until("generation_completed", WITHIN);
    assert!(told.iter().any(|event| event["type"] == "workers_updated"));
    let model = &web.get("/api/v1/models").json()[0];
    assert_eq!((&model["name"], &model["workers"]), (&json!("starter"), &json!(["gpu 1"])), "{model}");
}

#[test]
fn a_task_goes_to_a_worker_that_has_its_model() {
    let Some(place) = Place::new() else { return };
    let web = place.server(&["--concurrency", "0"]);
    let worker = TestWorker::start(&place, &["--name", "gpu"]);
    workers_when(&web, "listed", |workers| named(workers, "gpu").is_some_and(|gpu| gpu["models"] != json!([])));
    let project = web.create("Routed");
    // Nobody has such a model: the name is refused as before, and a task that already has it waits while others pass it.
    let asked = json!({"prompt": "a red car", "model": "another"});
    let refused = web.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &asked);
    assert_eq!((refused.status, refused.bad_fields()), (422, vec!["model".to_owned()]), "{}", refused.text);
    assert_eq!(web.request("POST", "/api/v1/queue/pause", &[], None).status, 200);
    let (first, second) = (generate(&web, &project, 64, 4, 1).remove(0), generate(&web, &project, 64, 4, 1).remove(0));
    let rename = |from: &str, to: &str| {
        let change = format!("\"model\":\"{from}\"', '\"model\":\"{to}\"");
        execute(
            &place,
            &format!("UPDATE tasks SET parameters = replace(parameters, '{change}') WHERE id = {}", first["task_id"]),
        );
    };
    rename("starter", "another");
    assert_eq!(web.request("POST", "/api/v1/queue/resume", &[], None).status, 200);
    web.wait_for_task(&second["task_id"], "completed");
    let waits = task(&web, &first);
    assert_eq!(
        (&waits["status"], &waits["waiting_for"]),
        (&json!("queued"), &json!("a worker with the model \"another\""))
    );
    rename("another", "starter");
    web.wait_for_task(&first["task_id"], "completed");
    drop(worker);
}

#[test]
fn a_worker_that_drains_starts_nothing_until_it_is_resumed() {
    let Some(place) = Place::new() else { return };
    let web = place.server(&["--concurrency", "0"]);
    let worker = TestWorker::start(&place, &["--name", "gpu"]);
    let listed =
        workers_when(&web, "listed", |workers| named(workers, "gpu").is_some_and(|gpu| gpu["models"] != json!([])));
    let id = named(&listed, "gpu").expect("listed")["id"].as_str().expect("an id").to_owned();
    let drained = web.request("POST", &format!("/api/v1/workers/{id}/drain"), &[], None);
    assert_eq!((drained.status, &drained.json()["draining"]), (200, &json!(true)), "{}", drained.text);
    assert_eq!(web.request("POST", "/api/v1/workers/0123/drain", &[], None).status, 404);
    let project = web.create("Drained");
    let made = generate(&web, &project, 64, 4, 1).remove(0);
    let why = "a worker with the model \"starter\": those that have it are draining";
    wait_for(&web, &made, "waiting", |task| task["waiting_for"] == why);
    let command = |arguments: &[&str]| {
        let output = run(&[&["workers", "--database-url", &place.url], arguments].concat());
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let (is_done, list, _) = command(&["--json"]);
    let list: Vec<Value> = serde_json::from_str(&list).expect("JSON");
    assert!(is_done && named(&list, "gpu").is_some_and(|gpu| gpu["draining"] == true), "{list:?}");
    let (is_done, _, text) = command(&["resume", "nobody"]);
    assert!(!is_done && text.contains("there is no worker nobody"), "{text}");
    let (is_done, text, _) = command(&["resume", "gpu"]);
    assert!(is_done && text.starts_with("gpu  worker  ") && !text.contains("drain"), "{text}");
    web.wait_for_task(&made["task_id"], "completed");
    let (is_done, text, _) = command(&["drain", &id]);
    assert!(is_done && text.contains("; drained"), "{text}");
    drop(worker);
}

#[test]
fn a_worker_that_is_stopped_finishes_its_picture_or_gives_it_back() {
    let Some(place) = Place::new() else { return };
    let web = place.server(&["--concurrency", "0"]);
    let project = web.create("Stopped");
    let made = generate(&web, &project, 128, 120, 1).remove(0);
    let waits = generate(&web, &project, 64, 4, 1).remove(0);
    let worker = TestWorker::start(&place, &["--name", "patient", "--drain", "100"]);
    wait_for(&web, &made, "running", runs_as(1));
    signal_to(worker.child.id(), "-TERM");
    web.wait_for_task(&made["task_id"], "completed");
    let (is_success, log) = worker.ended();
    assert!(is_success && log.matches("generation started").count() == 1, "{log}");
    assert_eq!(task(&web, &waits)["status"], "queued", "it began no other");
    workers_when(&web, "gone", |workers| workers.iter().all(|worker| worker["kind"] == "server"));
    let long = generate(&web, &project, 256, 1000, 1).remove(0);
    let worker = TestWorker::start(&place, &["--name", "hasty", "--drain", "1"]);
    wait_for(&web, &long, "running", runs_as(1));
    let stopped = Instant::now();
    signal_to(worker.child.id(), "-TERM");
    let (is_success, log) = worker.ended();
    assert!(is_success && stopped.elapsed() < Duration::from_secs(10), "{log}");
    assert_eq!(task(&web, &long)["status"], "queued", "it is given back");
}

#[test]
fn a_worker_needs_a_database_that_a_server_has_prepared() {
    let folder = tempfile::tempdir().expect("a folder");
    let media = folder.path().display().to_string();
    let file = folder.path().join("a.db").display().to_string();
    let refused = run(&["worker", "--device", "cpu", "--database-url", &file, "--media-url", &media]);
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && why.contains("needs the PostgreSQL database of a server"), "{why}");
    let Some(place) = Place::new() else { return };
    let refused = run(&["worker", "--device", "cpu", "--database-url", &place.url, "--media-url", &media]);
    assert!(!refused.status.success(), "nothing has made the tables");
    let _server = place.server(&["--concurrency", "0"]);
    let refused = run(&["worker", "--device", "cpu", "--database-url", &place.url, "--media-url", &media]);
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && why.contains("folder"), "another folder: {why}");
}
