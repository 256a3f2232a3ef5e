//! Forming pictures on servers that do not make them.

use super::{Place, generate, runs_as, task, wait_for};
use crate::support::{Answer, Events, TestServer, request_bytes, whole_png};
use serde_json::Value;
use std::{
    collections::{HashMap, HashSet},
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const WITHIN: Duration = Duration::from_secs(120);

/// How far a picture is formed; none of a final picture.
fn formed(answer: &Answer) -> Option<(u32, u32)> {
    let (attempt, step) = answer.header("emberline-step").split_once('.')?;
    Some((attempt.parse().expect("a number"), step.parse().expect("a number")))
}

fn path(made: &Value) -> &str {
    made["preview_path"].as_str().expect("a path")
}

/// Reads the picture after each step that this server announces, until the task is completed. Returns the ETags by step.
fn watch(server: &TestServer, events: &mut Events, made: &Value) -> HashMap<(u32, u32), String> {
    let (mut etags, mut newest) = (HashMap::new(), (0, 0));
    let deadline = Instant::now() + WITHIN;
    while Instant::now() < deadline {
        let event = events.any_of(&["generation_progress", "generation_completed"], WITHIN);
        if event["type"] == "generation_completed" {
            return etags;
        }
        let (attempt, step) = (&event["data"]["attempt"], &event["data"]["step"]);
        let (answer, bytes) = server.bytes(&format!("{}?t={attempt}.{step}", path(made)));
        // The final picture of a server with another folder is not here.
        let Some(now) = formed(&answer) else { continue };
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(whole_png(&bytes).is_some() && now >= newest, "{now:?} after {newest:?}");
        newest = now;
        etags.insert(now, answer.header("etag").to_owned());
    }
    panic!("not completed in {WITHIN:?}");
}

/// The second server has a folder of its own that holds nothing but the identity: what it shows is not read from the first one's
/// disk. The same pictures are made by one server alone on SQLite, as files.
#[test]
fn a_server_shows_the_previews_of_another_one_without_its_folder() {
    let Some(place) = Place::new() else { return };
    let one = place.server(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("media")).expect("made");
    fs::copy(place.pictures.path().join("media/.media.id"), folder.path().join("media/.media.id")).expect("copied");
    let folder = folder.path().display().to_string();
    let shared = ["--device", "cpu", "--lease", "3", "--database-url", &place.url, "--media-url", &folder];
    let web = TestServer::start_with(&[&shared[..], &["--concurrency", "0"]].concat());
    let alone = TestServer::start_with(&["--device", "cpu"]);

    let begin = |server: &TestServer| {
        let project = server.create("Forming");
        assert_eq!(server.request("POST", "/api/v1/queue/pause", &[], None).status, 200);
        generate(server, &project, 384, 24, 1).remove(0)
    };
    let (made, made_alone) = (begin(&web), begin(&alone));
    // Before the first step: the initial noise.
    let first = alone.bytes(path(&made_alone));
    for server in [&one, &web] {
        let (answer, bytes) = server.bytes(path(&made));
        assert_eq!((answer.status, formed(&answer), &bytes), (200, Some((0, 0)), &first.1));
        let again = server.request("GET", path(&made), &[("if-none-match", answer.header("etag"))], None);
        assert_eq!((again.status, answer.header("cache-control")), (304, "no-cache"));
    }
    assert_eq!(formed(&first.0), Some((0, 0)));

    let form = |server: &TestServer, made: &Value| {
        let mut events = Events::connect(server, "");
        assert_eq!(server.request("POST", "/api/v1/queue/resume", &[], None).status, 200);
        watch(server, &mut events, made)
    };
    let (seen, seen_alone) = (form(&web, &made), form(&alone, &made_alone));
    let common = seen.iter().filter(|(step, etag)| seen_alone.get(step).is_some_and(|same| same == *etag)).count();
    let others = seen.iter().filter(|(step, etag)| seen_alone.get(step).is_some_and(|same| same != *etag)).count();
    assert!(common >= 3 && others == 0, "{common} alike, {others} not: {seen:?} {seen_alone:?}");
    // The final picture is not in the second folder, and no preview is in the first one.
    assert_eq!(one.bytes(path(&made)).0.status, 200);
    assert_eq!(web.bytes(path(&made)).0.status, 404);
    let etag = |server: &TestServer, made| server.bytes(path(made)).0.header("etag").to_owned();
    assert_eq!(etag(&one, &made), etag(&alone, &made_alone));
}

#[test]
fn a_paused_picture_keeps_its_preview_on_every_server_and_a_cancelled_one_has_none() {
    let Some(place) = Place::new() else { return };
    let (one, web) = (place.server(&[]), place.server(&["--concurrency", "0"]));
    let project = web.create("Paused");
    let made = generate(&web, &project, 256, 1000, 1).remove(0);
    wait_for(&web, &made, "running", runs_as(1));
    let address = format!("/api/v1/tasks/{}", made["task_id"]);
    assert_eq!(one.request("POST", &format!("{address}/pause"), &[], None).status, 200);
    let paused = task(&web, &made);
    assert_eq!(paused["status"], "paused");
    let (at_one, at_web) = (one.bytes(path(&made)), web.bytes(path(&made)));
    let step = formed(&at_web.0).expect("a preview");
    assert!(step > (1, 0) && u64::from(step.1) <= paused["step"].as_u64().expect("a step"), "{step:?} {paused}");
    assert_eq!((formed(&at_one.0), &at_one.1), (Some(step), &at_web.1));
    // It outlives its server. The next attempt replaces it.
    drop(one.stop());
    assert_eq!(web.bytes(path(&made)).1, at_web.1);
    let two = place.server(&[]);
    assert_eq!(two.bytes(path(&made)).1, at_web.1);
    assert_eq!(web.request("POST", &format!("{address}/resume"), &[], None).status, 200);
    wait_for(&web, &made, "running again", |task| {
        task["status"] == "running" && task["step"].as_u64() > Some(step.1.into())
    });
    let deadline = Instant::now() + WITHIN;
    while formed(&web.get(path(&made))) < Some((2, step.1)) {
        assert!(Instant::now() < deadline, "no preview of the second attempt");
    }
    assert_eq!(web.request("POST", &format!("{address}/cancel"), &[], None).status, 200);
    for server in [&web, &two] {
        assert_eq!(server.get(path(&made)).status, 404);
    }
}

/// Readers of forming pictures, each read through another server than the one before.
struct Readers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Servers that answer.
    urls: Mutex<Vec<String>>,
    paths: Vec<String>,
    /// The newest that any read of a picture has returned. A final picture is the newest of all.
    newest: Mutex<HashMap<String, (u32, u32)>>,
    /// ETags of final pictures.
    finals: Mutex<HashSet<String>>,
    /// The bytes of each ETag.
    bytes: Mutex<HashMap<String, Vec<u8>>>,
    violations: Mutex<Vec<String>>,
    forming: AtomicUsize,
    is_over: AtomicBool,
}

const FINAL: (u32, u32) = (u32::MAX, 0);

impl Readers {
    fn start(urls: Vec<String>, paths: Vec<String>) -> Self {
        let shared = Arc::new(Shared { urls: Mutex::new(urls), paths, ..Shared::default() });
        let thread = |first: usize| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for n in first.. {
                    if shared.is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    shared.read(n);
                }
            })
        };
        let threads = (0..4).map(thread).collect();
        Self { shared, threads }
    }

    /// Reads no more from this server.
    fn leave(&self, url: &str) {
        self.shared.urls.lock().expect("unpoisoned").retain(|other| other != url);
    }

    /// Waits until each picture was read when it was finished.
    fn wait_for_finals(&self) {
        let deadline = Instant::now() + WITHIN;
        let is_read = |path| self.shared.newest.lock().expect("unpoisoned").get(path) == Some(&FINAL);
        while !self.shared.paths.iter().all(is_read) {
            assert!(Instant::now() < deadline, "a final picture was not read");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The number of reads of forming pictures, and of different final pictures.
    fn finish(self) -> (usize, usize) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a reader does not panic"));
        let violations = self.shared.violations.lock().expect("unpoisoned");
        assert!(
            violations.is_empty(),
            "{} violations: {:#?}",
            violations.len(),
            &violations[..violations.len().min(20)]
        );
        let finals = self.shared.finals.lock().expect("unpoisoned").len();
        (self.shared.forming.load(Ordering::Relaxed), finals)
    }
}

impl Shared {
    fn read(&self, n: usize) {
        let url = {
            let urls = self.urls.lock().expect("unpoisoned");
            urls[n % urls.len()].clone()
        };
        let path = &self.paths[(n / 5) % self.paths.len()];
        let before = self.newest.lock().expect("unpoisoned").get(path).copied().unwrap_or_default();
        // No answer: the server was just killed.
        let Ok((answer, bytes)) = request_bytes(&format!("{url}{path}")) else { return };
        if let Err(wrong) = self.check(path, before, &answer, &bytes) {
            self.violations.lock().expect("unpoisoned").push(format!("{url}{path}: {wrong}"));
        }
    }

    fn check(&self, path: &str, before: (u32, u32), answer: &Answer, bytes: &[u8]) -> Result<(), String> {
        if answer.status != 200 {
            return Err(format!("status {}", answer.status));
        }
        let now = formed(answer).unwrap_or(FINAL);
        if now < before {
            return Err(format!("{now:?} after {before:?}"));
        }
        if whole_png(bytes).is_none() {
            return Err(format!("{} bytes are no whole PNG", bytes.len()));
        }
        let mut known = self.bytes.lock().expect("unpoisoned");
        let same = known.entry(answer.header("etag").to_owned()).or_insert_with(|| bytes.to_vec());
        if same != bytes {
            return Err("an ETag with other bytes than before".to_owned());
        }
        if now == FINAL {
            self.finals.lock().expect("unpoisoned").insert(answer.header("etag").to_owned());
        } else if now > (0, 0) {
            self.forming.fetch_add(1, Ordering::Relaxed);
        }
        let mut newest = self.newest.lock().expect("unpoisoned");
        let newest = newest.entry(path.to_owned()).or_default();
        *newest = now.max(*newest);
        Ok(())
    }
}

/// Three servers are read in turn while two of them make pictures, and one of these is killed. All tasks are alike.
#[test]
fn reads_through_changing_servers_never_go_back() {
    let Some(place) = Place::new() else { return };
    let (one, two, web) = (place.server(&[]), place.server(&[]), place.server(&["--concurrency", "0"]));
    // Another server judges leases when it has been there for two of them.
    let steady = Instant::now() + Duration::from_secs(7);
    let project = web.create("Read");
    assert_eq!(web.request("POST", "/api/v1/queue/pause", &[], None).status, 200);
    let made: Vec<Value> = (0..4).flat_map(|_| generate(&web, &project, 256, 100, 1)).collect();
    let urls = [&one, &two, &web].map(|server| server.url.clone()).to_vec();
    let readers = Readers::start(urls, made.iter().map(|made| path(made).to_owned()).collect());
    thread::sleep(steady.saturating_duration_since(Instant::now()));
    assert_eq!(web.request("POST", "/api/v1/queue/resume", &[], None).status, 200);
    let both_run = |made: &[Value]| made.iter().filter(|made| runs_as(1)(&task(&web, made))).count() == 2;
    let deadline = Instant::now() + WITHIN;
    while !both_run(&made) {
        assert!(Instant::now() < deadline, "two servers do not run two tasks");
        thread::sleep(Duration::from_millis(5));
    }
    readers.leave(&one.url);
    drop(one.kill());
    made.iter().for_each(|made| web.wait_for_task(&made["task_id"], "completed"));
    let attempts = made.iter().filter_map(|made| task(&two, made)["attempt"].as_u64()).max();
    assert_eq!(attempts, Some(2), "one was taken up");
    readers.wait_for_finals();
    let (forming, finals) = readers.finish();
    assert!(forming > 100 && finals == 1, "{forming} reads of forming pictures, {finals} final pictures");
}
