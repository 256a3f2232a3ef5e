//! Traces as objects: servers and workers on one PostgreSQL and one S3 server.

use crate::objects::Place;
use crate::pauses::{ask, begun, done, file, paused, settings};
use crate::several_servers::{runs_as, signal_to, wait_for};
use crate::support::{TestServer, emberline, whole_png};
use crate::traces::{branched, made, pictures, pixels, steps, trace};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Read,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;
use test_s3::Fault;

const WITHIN: Duration = Duration::from_secs(60);

/// A worker with its own folder.
pub struct Worker {
    pub child: Child,
    cache: TempDir,
}

impl Worker {
    pub fn start(place: &Place, more: &[&str]) -> Self {
        let cache = tempfile::tempdir().expect("a folder");
        let child = emberline()
            .envs(place.s3.variables())
            .args(["worker", "--device", "cpu", "--lease", "3", "--database-url", &place.url])
            .args(["--media-url", &place.s3.url(), "--cache-dir"])
            .arg(cache.path())
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        Self { child, cache }
    }

    /// Stops it. Returns its log.
    pub fn stop(mut self) -> String {
        signal_to(self.child.id(), "-TERM");
        let mut log = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut log).expect("a log");
        assert!(self.child.wait().expect("it ends").success(), "{log}");
        log
    }

    /// The files of traces that it has.
    pub fn traces(&self) -> usize {
        fs::read_dir(self.cache.path().join("traces")).into_iter().flatten().count()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The objects of traces and saved states that rows name.
pub fn named(place: &Place) -> BTreeSet<String> {
    let rows = place.execute("SELECT coalesce(string_agg(object, ' '), '') FROM trace_objects");
    rows.split_whitespace().map(str::to_owned).collect()
}

/// The objects of traces and saved states that are there; none if the store is another process.
pub fn stored(place: &Place) -> Option<BTreeSet<String>> {
    let folder = place.s3.file("traces")?;
    let mut stored = BTreeSet::new();
    for take in fs::read_dir(folder).into_iter().flatten().flatten() {
        for object in fs::read_dir(take.path()).into_iter().flatten().flatten() {
            let (key, name) = (take.file_name(), object.file_name());
            stored.insert(format!("traces/{}/{}", key.to_string_lossy(), name.to_string_lossy()));
        }
    }
    Some(stored)
}

/// Waits until exactly the objects that rows name are there, as many as this.
pub fn whole(place: &Place, count: usize) {
    let begun = Instant::now();
    loop {
        let (named, stored) = (named(place), stored(place));
        if named.len() == count && stored.as_ref().is_none_or(|stored| *stored == named) {
            return;
        }
        assert!(begun.elapsed() < WITHIN, "not {count}: {named:?} are named, and there are {stored:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_trace_is_put_once_and_read_on_every_server() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.server(&[]), place.server(&["--concurrency", "0"]));
    settings(&one, &json!({"trace": "all"}));
    let project = one.create("Traces");
    let original = made(&one, &project, &json!({"steps": 6, "width": 128, "sampler": "euler_ancestral"}));
    let take = &original["take_id"];
    assert_eq!(place.s3.count("PUT", "traces"), 1);
    let seen = trace(&two, take);
    assert_eq!(seen, trace(&one, take));
    assert_eq!(steps(&seen, |step| step["can_branch"] == true), [1, 2, 3, 4, 5]);
    let of_two = pictures(&two, take);
    assert!(of_two == pictures(&one, take) && of_two.iter().all(|png| whole_png(png) == Some((16, 8))));
    assert_eq!((place.s3.count("PUT", "traces"), place.s3.count("GET", "traces")), (1, 1));
    let path = seen["steps"][2]["path"].as_str().expect("a path");
    let (answer, _) = two.bytes(path);
    assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    let tag = [("if-none-match", answer.header("etag"))];
    assert_eq!(one.request("GET", path, &tag, None).status, 304, "both have the same tag");
    // A branch of the server that makes no pictures.
    let branch = branched(&two, take, &json!({"from_step": 3}));
    assert_eq!(pixels(&file(&two, &branch)), pixels(&file(&one, &original)));
    assert_eq!(pictures(&two, &branch["take_id"]), of_two);
    whole(&place, 2);
    let asked = json!({"format": "gif", "formation": {"take_id": take, "seconds": 1.0, "easing": "linear"}});
    let answer = two.send("POST", &format!("/api/v1/projects/{}/exports", project["id"]), &asked);
    assert_eq!(answer.status, 202, "{}", answer.text);
    // A deleted take has its trace again when it is restored.
    assert_eq!(two.request("DELETE", &format!("/api/v1/takes/{take}"), &[], None).status, 204);
    for server in [&one, &two] {
        assert_eq!(server.get(&format!("/api/v1/takes/{take}/trace")).status, 404);
    }
    assert_eq!(one.request("POST", &format!("/api/v1/takes/{take}/restore"), &[], None).status, 200);
    assert!(pictures(&two, take) == of_two);
    settings(&one, &json!({"trace": "off"}));
    let puts = place.s3.count("PUT", "traces");
    let none = made(&one, &project, &json!({"steps": 4}));
    assert_eq!(trace(&two, &none["take_id"])["steps"], json!([]));
    assert_eq!(place.s3.count("PUT", "traces"), puts);
}

/// The preview of a branch is the picture of the last step that it shares, on every server, before it begins.
#[test]
fn a_branch_that_waits_shows_its_last_shared_step_and_needs_the_other_take_no_more() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.server(&["--concurrency", "0"]), place.server(&["--concurrency", "0"]));
    settings(&one, &json!({"trace": "all"}));
    let project = one.create("Waiting");
    let worker = Worker::start(&place, &[]);
    let original = made(&one, &project, &json!({"steps": 6}));
    made(&one, &project, &json!({"steps": 1, "frame_id": original["frame_id"]}));
    let (take, expected) = (&original["take_id"], pixels(&file(&one, &original)));
    let of_steps = pictures(&two, take);
    worker.stop();
    let asked = one.send("POST", &format!("/api/v1/takes/{take}/branch"), &json!({"from_step": 4}));
    assert_eq!(asked.status, 202, "{}", asked.text);
    let branch = asked.json()["tasks"][0].clone();
    for server in [&one, &two] {
        assert_eq!(file(server, &branch), of_steps[3], "the picture of step 4");
    }
    assert_eq!(one.request("DELETE", &format!("/api/v1/takes/{take}"), &[], None).status, 204);
    let _worker = Worker::start(&place, &[]);
    one.wait_for_task(&branch["task_id"], "completed");
    assert_eq!(pixels(&file(&two, &branch)), expected);
}

#[test]
fn a_changed_trace_is_never_shown() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.server(&[]), place.server(&["--concurrency", "0"]));
    let project = one.create("Flipped");
    let made = made(&one, &project, &json!({"steps": 4}));
    let address = format!("/api/v1/takes/{}/trace", made["take_id"]);
    place.s3.set_fault(Fault::Flipped);
    let answer = two.get(&address);
    assert!(answer.status == 409 && answer.text.contains("damaged"), "{} {}", answer.status, answer.text);
    place.s3.set_fault(Fault::None);
    assert_eq!(trace(&two, &made["take_id"]), trace(&one, &made["take_id"]));
}

#[test]
fn space_for_traces_is_limited_and_pinned_ones_stay() {
    let Some(place) = Place::new() else { return };
    let one = place.server(&[]);
    let project = one.create("Limits");
    // A state of uni_pc at 256 x 256 pixels has up to 5 tensors of 16 kB: 25 steps take almost 2 MiB.
    let large = |seed: u64| json!({"steps": 25, "width": 256, "height": 256, "sampler": "uni_pc", "seed": seed});
    settings(&one, &json!({"trace": "all", "trace_project_mib": 4}));
    let pinned = made(&one, &project, &large(1));
    let path = format!("/api/v1/takes/{}", pinned["take_id"]);
    assert_eq!(one.send("PATCH", &path, &json!({"trace_pinned": true})).status, 200);
    let all: Vec<Value> = (2..6).map(|seed| made(&one, &project, &large(seed))).collect();
    // The end of the next task frees the space.
    let other = one.create("Other");
    for _ in 0..2 {
        made(&one, &other, &json!({"steps": 1}));
    }
    let is_there = |task: &Value| trace(&one, &task["take_id"])["steps"] != json!([]);
    assert!(is_there(&pinned) && !is_there(&all[0]) && !is_there(&all[1]) && is_there(&all[3]));
    let count = named(&place).len();
    whole(&place, count);
}

#[test]
fn old_traces_without_a_take_are_removed() {
    let Some(place) = Place::new() else { return };
    let one = place.server(&[]);
    let project = one.create("Orphans");
    let kept = made(&one, &project, &json!({"steps": 3}));
    let cancelled = begun(&one, &project, &json!({"steps": 200}), 3);
    paused(&one, &cancelled);
    done(&one, &cancelled, "cancel");
    let asked = ask(&one, &project, &json!({"steps": 2}));
    one.wait_for_task(&asked["task_id"], "completed");
    drop(one.stop());
    assert_eq!(named(&place).len(), 4, "those of the cancelled picture are still named");
    let day = 25 * 60 * 60;
    place.execute(&format!("UPDATE trace_objects SET created_at = created_at - {day}000"));
    let Some(stored) = stored(&place) else { return };
    for object in &stored {
        let path = place.s3.file(object).expect("a file");
        make_old(&path, Duration::from_secs(day));
    }
    let two = place.server(&[]);
    whole(&place, 2);
    assert_eq!(steps(&trace(&two, &kept["take_id"]), |_| true), [1, 2, 3]);
}

pub fn make_old(path: &Path, by: Duration) {
    File::options().write(true).open(path).expect("opens").set_modified(SystemTime::now() - by).expect("set");
}

#[test]
fn settings_of_traces_apply_to_workers_that_run() {
    let Some(place) = Place::new() else { return };
    let web = place.server(&["--concurrency", "0"]);
    let _worker = Worker::start(&place, &[]);
    let project = web.create("Settings");
    let kept =
        |web: &TestServer| steps(&trace(web, &made(web, &project, &json!({"steps": 3}))["take_id"]), |_| true).len();
    assert_eq!(kept(&web), 3);
    settings(&web, &json!({"trace": "off"}));
    assert_eq!(kept(&web), 0);
}

#[test]
fn a_picture_that_forms_elsewhere_can_be_scrubbed_up_to_its_last_pause() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.server(&["--inject-fault", "slow@50"]), place.server(&["--concurrency", "0"]));
    let project = one.create("Forming");
    let picture = begun(&one, &project, &json!({"steps": 200}), 5);
    assert!(steps(&trace(&one, &picture["take_id"]), |_| true).len() >= 3, "on its own server as it forms");
    assert_eq!(steps(&trace(&two, &picture["take_id"]), |_| true), [0_u64; 0]);
    let step = paused(&two, &picture);
    done(&one, &picture, "resume");
    wait_for(&one, &picture, "running", runs_as(2));
    assert_eq!(steps(&trace(&two, &picture["take_id"]), |_| true), (1..=step).collect::<Vec<_>>());
    done(&one, &picture, "cancel");
}
