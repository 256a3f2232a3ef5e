//! Several servers on one PostgreSQL and one folder of pictures.

mod previews;

use crate::cluster::proxy::{Cut, Proxy};
use crate::support::{Events, TestServer};
use serde_json::{Value, json};
use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const WITHIN: Duration = Duration::from_secs(120);

/// A database and a folder that servers share.
pub struct Place {
    pub url: String,
    pub pictures: TempDir,
}

impl Place {
    /// None if PostgreSQL is not installed.
    pub fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("several_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = test_postgres::cluster()?.create(&name);
        Some(Self { url, pictures: tempfile::tempdir().expect("a folder") })
    }

    /// Its name in PostgreSQL.
    pub fn name(&self) -> &str {
        self.url.trim_start_matches("postgres:///").split('?').next().expect("a name")
    }

    /// A server with its own data folder. A lease of three seconds, so that the tests do not wait for long.
    pub fn server(&self, more: &[&str]) -> TestServer {
        self.server_at(&self.url, more)
    }

    fn server_at(&self, url: &str, more: &[&str]) -> TestServer {
        let pictures = self.pictures.path().display().to_string();
        let shared = ["--device", "cpu", "--lease", "3", "--database-url", url, "--media-url", &pictures];
        TestServer::start_with(&[&shared, more].concat())
    }
}

/// Takes of a prompt; returns the tasks.
pub fn generate(server: &TestServer, project: &Value, side: u32, steps: u32, takes: u32) -> Vec<Value> {
    let asked =
        json!({"prompt": "a red car", "width": side, "height": side, "steps": steps, "seed": 7, "num_variants": takes});
    let answer = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &asked);
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()["tasks"].as_array().expect("tasks").clone()
}

pub fn task(server: &TestServer, made: &Value) -> Value {
    server.get(&format!("/api/v1/tasks/{}", made["task_id"])).json()
}

/// Waits until the task is as wanted. Returns it.
pub fn wait_for(server: &TestServer, made: &Value, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + WITHIN;
    loop {
        let now = task(server, made);
        if is(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "not {what} in {WITHIN:?}: {now}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn runs_as(attempt: u64) -> impl Fn(&Value) -> bool {
    move |task| task["status"] == "running" && task["attempt"] == attempt && task["step"].as_u64() > Some(2)
}

fn signal(server: &TestServer, name: &str) {
    signal_to(server.id(), name);
}

pub fn signal_to(process: u32, name: &str) {
    let sent = Command::new("kill").args([name, &process.to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

#[test]
fn two_servers_share_the_queue_and_no_task_runs_twice() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.server(&[]), place.server(&[]));
    let project = one.create("Shared");
    assert_eq!(one.request("POST", "/api/v1/queue/pause", &[], None).status, 200);
    let made: Vec<Value> = (0..4).flat_map(|_| generate(&one, &project, 128, 8, 4)).collect();
    assert_eq!(two.get("/api/v1/queue").json()["tasks"].as_array().map(Vec::len), Some(16));
    assert_eq!(two.request("POST", "/api/v1/queue/resume", &[], None).status, 200);
    for task in &made {
        two.wait_for_task(&task["task_id"], "completed");
    }
    for made in &made {
        let (here, there) = (task(&one, made), task(&two, made));
        assert_eq!((&here["attempt"], &here), (&json!(1), &there));
        let path = made["preview_path"].as_str().expect("a path");
        let (picture, same) = (one.bytes(path), two.bytes(path));
        assert_eq!((picture.0.status, &picture.1), (200, &same.1), "the same picture on both");
    }
    let started = |server: TestServer| server.stop().1.matches("generation started").count();
    let (by_one, by_two) = (started(one), started(two));
    assert!(by_one > 0 && by_two > 0 && by_one + by_two == 16, "{by_one} and {by_two}");
}

#[test]
fn the_other_server_takes_up_the_task_of_one_that_is_killed() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.server(&[]), place.server(&["--concurrency", "0"]));
    let project = one.create("Killed");
    let made = generate(&one, &project, 256, 500, 1).remove(0);
    wait_for(&two, &made, "running", runs_as(1));
    let three = place.server(&[]);
    let mut events = Events::connect(&two, "");
    // A server judges leases only when it has been there for two of them.
    std::thread::sleep(Duration::from_secs(7));
    drop(one.kill());
    let killed = Instant::now();
    wait_for(&two, &made, "taken up", |task| task["status"] == "running" && task["attempt"] == 2);
    assert!(killed.elapsed() < Duration::from_secs(12), "{:?}", killed.elapsed());
    let told = events.until("generation_interrupted", WITHIN);
    let interrupted = &told.last().expect("told")["data"];
    assert_eq!((&interrupted["task_id"], &interrupted["attempt"]), (&made["task_id"], &json!(1)));
    // The steps of another server reach this one's clients.
    let told = events.until("generation_progress", WITHIN);
    assert_eq!(told.last().expect("told")["data"]["attempt"], 2);
    drop(three);
}

/// A server that is paused for longer than its lease loses its task to another one. When it goes on, its clients and those of
/// the other see nothing more of its attempt, and its picture replaces nothing.
#[test]
fn a_server_that_was_paused_changes_and_shows_nothing() {
    let Some(place) = Place::new() else { return };
    let one = place.server(&[]);
    let project = one.create("Paused");
    let made = generate(&one, &project, 128, 1000, 1).remove(0);
    wait_for(&one, &made, "running", runs_as(1));
    let two = place.server(&[]);
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(task(&two, &made)["attempt"], 1, "it was not finished too soon");
    let (mut at_one, mut at_two) = (Events::connect(&one, ""), Events::connect(&two, ""));
    signal(&one, "-STOP");
    wait_for(&two, &made, "taken up", runs_as(2));
    // What was on its way before it was paused.
    at_one.drain(Duration::from_millis(300));
    signal(&one, "-CONT");
    let told = at_one.until("generation_interrupted", WITHIN);
    let steps = |told: &[Value], attempt: u64| {
        let of = |event: &&Value| event["type"] == "generation_progress" && event["data"]["attempt"] == attempt;
        told.iter().filter(of).count()
    };
    assert_eq!(steps(&told, 1), 0, "it went on with an attempt that is not its own: {told:?}");
    let told = at_one.until("generation_completed", WITHIN);
    assert_eq!((steps(&told, 1), told.last().expect("told")["data"]["attempt"].as_u64()), (0, Some(2)));
    let told = at_two.until("generation_completed", WITHIN);
    let began = told.iter().position(|event| event["type"] == "generation_started").expect("the second attempt");
    assert_eq!(steps(&told[began..], 1), 0);
    assert_eq!(task(&one, &made)["attempt"], 2);
    let (picture, etag) = (made["preview_path"].as_str().expect("a path"), &told.last().expect("told")["data"]["etag"]);
    assert_eq!(one.get(picture).header("etag").trim_matches('"'), etag.as_str().expect("a tag"));
    let (_, log, _) = one.stop();
    assert!(!log.contains("generation completed"), "{log}");
}

#[test]
fn another_server_cancels_and_keeps() {
    let Some(place) = Place::new() else { return };
    let (one, web) = (place.server(&[]), place.server(&["--concurrency", "0"]));
    let project = web.create("Stopped");
    let first = generate(&web, &project, 512, 1000, 1).remove(0);
    let second = generate(&web, &project, 512, 1000, 1).remove(0);
    let step = wait_for(&web, &first, "running", runs_as(1))["step"].as_u64().expect("a step");
    assert!(step > 0, "the step of the other server");
    let address = format!("/api/v1/tasks/{}", first["task_id"]);
    let cancelled = web.request("POST", &format!("{address}/cancel"), &[], None);
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("cancelled")));
    // One worker: the second begins when the first has stopped, and not after its thousand steps.
    wait_for(&web, &second, "running", runs_as(1));
    let kept = web.request("POST", &format!("/api/v1/tasks/{}/keep", second["task_id"]), &[], None);
    assert_eq!((kept.status, &kept.json()["status"]), (200, &json!("completed")), "{}", kept.text);
    assert!(kept.json()["step"].as_u64().is_some_and(|step| step < 1000));
    let (_, log, _) = one.stop();
    assert_eq!(log.matches("generation started").count(), 2, "{log}");
}

/// The database of a place, for SQL that bypasses the servers.
pub fn execute(place: &Place, sql: &str) -> String {
    test_postgres::cluster().expect("it runs").execute(place.name(), sql)
}

#[test]
fn another_server_pauses_resumes_and_changes() {
    let Some(place) = Place::new() else { return };
    let (one, web) = (place.server(&[]), place.server(&["--concurrency", "0"]));
    let project = web.create("Steered");
    let made = generate(&web, &project, 256, 500, 1).remove(0);
    let address = format!("/api/v1/tasks/{}", made["task_id"]);
    wait_for(&web, &made, "running", runs_as(1));
    let changed = web.send("PATCH", &address, &json!({"prompt": "it's a tree", "cfg_scale": 3.5}));
    let track = changed.json()["parameters"]["track"].clone();
    let change = json!({"step": track[0]["step"], "prompt": "it's a tree", "cfg_scale": 3.5});
    assert_eq!((changed.status, &track), (200, &json!([change])), "{}", changed.text);
    assert!(track[0]["step"].as_u64() > Some(2));
    assert_eq!(task(&one, &made)["parameters"]["track"], track, "it is recorded when it is answered");
    let post = |what: &str| web.request("POST", &format!("{address}/{what}"), &[], None);
    let paused = post("pause");
    assert_eq!((paused.status, &paused.json()["status"]), (200, &json!("paused")), "{}", paused.text);
    let step = paused.json()["step"].as_u64().expect("a step");
    assert!(step > 0 && step == task(&one, &made)["step"], "{step}");
    assert_eq!(post("resume").status, 200);
    let goes_on = wait_for(&web, &made, "running again", runs_as(2));
    assert!(goes_on["step"].as_u64() >= Some(step), "{goes_on}");
    // Of a picture that forms there is nothing to resume.
    let running = post("resume");
    assert_eq!((running.status, &running.json()["status"]), (200, &json!("running")), "{}", running.text);
    // The message is lost: only the row is there.
    execute(&place, "INSERT INTO run_requests (task_id, attempt, body) SELECT task_id, attempt, '\"pause\"' FROM runs");
    wait_for(&web, &made, "paused", |task| task["status"] == "paused");
    assert_eq!(post("resume").status, 200);
    wait_for(&web, &made, "running again", runs_as(3));
    let shortened = web.send("PATCH", &address, &json!({"finish_in": 4}));
    assert_eq!(shortened.status, 200, "{}", shortened.text);
    let total = shortened.json()["total_steps"].as_u64().expect("a number");
    assert!(total < 500, "{}", shortened.text);
    web.wait_for_task(&made["task_id"], "completed");
    let done = task(&web, &made);
    assert_eq!((&done["step"], done["parameters"]["track"].as_array().map(Vec::len)), (&json!(total), Some(2)));
    // It has ended: refused as on the server that made it.
    let late = [post("pause"), web.send("PATCH", &address, &json!({"prompt": "late"}))];
    assert!(late.iter().all(|answer| answer.status == 409));
    assert_eq!(execute(&place, "SELECT count(*) FROM run_requests"), "0");
    let (_, log, _) = one.stop();
    let of = |what: &str| log.matches(what).count();
    let logged = [of("generation started"), of("generation changed"), of("generation paused")];
    assert_eq!(logged, [3, 2, 2], "{log}");
}

#[test]
fn a_server_that_stops_gives_its_task_back() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.server(&[]), place.server(&["--concurrency", "0"]));
    let project = one.create("Given back");
    let made = generate(&one, &project, 256, 500, 1).remove(0);
    wait_for(&two, &made, "running", runs_as(1));
    let (status, log, _) = one.stop();
    assert!(status.success(), "{log}");
    assert_eq!(task(&two, &made)["status"], "queued", "before its lease is over");
    assert_eq!(execute(&place, "SELECT count(*) FROM servers"), "1");
}

#[test]
fn a_folder_of_another_installation_is_refused() {
    let Some(place) = Place::new() else { return };
    let _one = place.server(&[]);
    let other = tempfile::tempdir().expect("a folder");
    let output = crate::support::emberline()
        .args(["serve", "--listen", "127.0.0.1:0", "--device", "cpu", "--database-url", &place.url])
        .arg("--data-dir")
        .arg(other.path().join("data"))
        .arg("--media-url")
        .arg(other.path())
        .output()
        .expect("the binary starts");
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && why.contains("the folder is missing"), "{why}");
}

/// The database is away for longer than eight leases, and comes back.
#[test]
fn a_picture_survives_the_absence_of_the_database() {
    let Some(place) = Place::new() else { return };
    let (proxy, url) = Proxy::of(&place.url);
    let server = place.server_at(&url, &[]);
    let project = server.create("Away");
    let finished = generate(&server, &project, 64, 4, 1).remove(0);
    server.wait_for_task(&finished["task_id"], "completed");
    let finished = finished["preview_path"].as_str().expect("a path");
    let finished = format!("{finished}?v={}", server.get(finished).header("etag").trim_matches('"'));
    let made = generate(&server, &project, 64, 1000, 1).remove(0);
    let waits = generate(&server, &project, 64, 4, 1).remove(0);
    wait_for(&server, &made, "running", runs_as(1));
    let mut events = Events::connect(&server, "");
    let cut = Instant::now();
    proxy.cut(Cut::Closed);
    // Some calls may still have a connection.
    std::thread::sleep(Duration::from_secs(3));
    for _ in 0..3 {
        let list = server.get("/api/v1/projects");
        assert_eq!((list.status, list.header("retry-after")), (503, "5"), "{}", list.text);
        let forming = server.get(made["preview_path"].as_str().expect("a path"));
        assert_eq!((forming.status, forming.header("retry-after")), (503, "5"), "{}", forming.text);
        assert_eq!(server.get(&finished).status, 200, "its address names its bytes");
        assert_eq!(server.get("/health/ready").status, 503);
        assert_eq!(server.get("/health/live").status, 200);
    }
    let farewell = events.farewell(Duration::from_secs(40));
    assert_eq!(farewell, (1013, "the database cannot be reached; connect again".to_owned()));
    assert!(cut.elapsed() > Duration::from_secs(14), "{:?}", cut.elapsed());
    proxy.cut(Cut::No);
    let back = Instant::now();
    while server.get("/health/ready").status != 200 {
        assert!(back.elapsed() < Duration::from_secs(20), "not ready in 20 s");
        std::thread::sleep(Duration::from_millis(50));
    }
    for made in [&made, &waits] {
        server.wait_for_task(&made["task_id"], "completed");
        assert_eq!(task(&server, made)["attempt"], 1, "no attempt was lost");
    }
}
