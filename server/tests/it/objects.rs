//! Finished pictures as objects: servers on one PostgreSQL and one S3 server.

use crate::cluster_metrics::samples;
use crate::several_servers::{generate, wait_for};
use crate::support::{TestServer, emberline};
use image::ImageFormat;
use serde_json::{Value, json};
use std::{
    fs::File,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;
use test_pictures::{file, pattern};
use test_s3::{Fault, TestS3};

const WITHIN: Duration = Duration::from_secs(60);

/// A database and an object store that servers share.
pub struct Place {
    pub url: String,
    pub s3: TestS3,
}

impl Place {
    /// None if PostgreSQL is not installed.
    pub fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("objects_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Some(Self { url: test_postgres::cluster()?.create(&name), s3: TestS3::start() })
    }

    pub fn server(&self, more: &[&str]) -> TestServer {
        self.server_in(tempfile::tempdir().expect("a folder"), more)
    }

    /// The answer of its database to a query.
    pub fn execute(&self, sql: &str) -> String {
        let name = self.url.trim_start_matches("postgres:///").split('?').next().expect("a name");
        test_postgres::cluster().expect("it runs").execute(name, sql)
    }

    fn server_in(&self, folder: TempDir, more: &[&str]) -> TestServer {
        let url = self.s3.url();
        let shared = ["--device", "cpu", "--lease", "3", "--database-url", &self.url, "--media-url", &url];
        let variables = self.s3.variables();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        TestServer::start_as(folder, &[&shared, more].concat(), &variables)
    }
}

fn path(of: &Value) -> &str {
    of.as_str().expect("a path")
}

/// Downloads a picture, which must be whole. Returns its ETag and its bytes.
fn picture(server: &TestServer, path: &str) -> (String, Vec<u8>) {
    let (answer, bytes) = server.bytes(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    image::load_from_memory_with_format(&bytes, ImageFormat::Png).expect("a whole picture");
    (answer.header("etag").to_owned(), bytes)
}

fn frames(server: &TestServer, project: &Value) -> Vec<Value> {
    server.get(&format!("/api/v1/projects/{}/frames", project["id"])).json().as_array().expect("frames").clone()
}

#[test]
fn a_picture_of_one_server_is_the_same_on_the_other_and_is_put_and_got_once() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.server(&[]), place.server(&["--concurrency", "0"]));
    let project = one.create("Objects");
    let made = generate(&two, &project, 128, 6, 3);
    for made in &made {
        two.wait_for_task(&made["task_id"], "completed");
    }
    let mut pictures = Vec::new();
    for made in &made {
        let address = path(&made["preview_path"]);
        let (here, there) = (picture(&one, address), picture(&two, address));
        assert_eq!(here, there);
        assert_eq!(picture(&two, address), there, "from the cache");
        let versioned = format!("{address}?v={}", here.0.trim_matches('"'));
        assert!(two.get(&versioned).header("cache-control").contains("immutable"));
        let tag = [("If-None-Match", here.0.as_str())];
        assert_eq!(two.request("GET", address, &tag, None).status, 304);
        let thumbnail = address.replace(".png", "/160.jpg");
        assert_eq!(two.bytes(&thumbnail).1, one.bytes(&thumbnail).1);
        pictures.push(here);
    }
    let counts = || (place.s3.count("PUT", "pictures"), place.s3.count("GET", "pictures"));
    assert_eq!(counts(), (3, 3), "{:?}", place.s3.asked(""));
    // A server with nothing in its cache.
    drop((one.stop(), two.stop()));
    let three = place.server(&[]);
    for (made, expected) in made.iter().zip(&pictures) {
        assert_eq!(&picture(&three, path(&made["preview_path"])), expected);
    }
    assert_eq!(counts(), (3, 6));
    assert_eq!(three.get("/media/0123456789abcdef0123456789abcdef.png").status, 404);
}

#[test]
fn imports_copies_exports_and_pictures_to_start_from_are_objects() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.server(&["--concurrency", "0"]), place.server(&[]));
    let project = one.create("Imports");
    let png = file(pattern(128, 128), ImageFormat::Png);
    let answer = one.request("POST", &format!("/api/v1/projects/{}/frames", project["id"]), &[], Some(&png));
    assert_eq!(answer.status, 201, "{}", answer.text);
    let imported = answer.json();
    let answer = one.request("POST", &format!("/api/v1/frames/{}/duplicate", imported["id"]), &[], None);
    assert_eq!(answer.status, 201, "{}", answer.text);
    let copy = frames(&two, &project)[1].clone();
    assert_ne!(copy["path"], imported["path"]);
    assert_eq!(picture(&two, path(&copy["path"])), picture(&one, path(&imported["path"])));
    assert_eq!(place.s3.count("PUT", "pictures"), 1, "a copy has no bytes of its own");
    let asked = json!({"prompt": "a red car", "width": 128, "height": 128, "steps": 4, "seed": 1,
                       "init_take_id": imported["take_id"], "strength": 0.5});
    let answer = one.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &asked);
    assert_eq!(answer.status, 202, "{}", answer.text);
    one.wait_for_task(&answer.json()["tasks"][0]["task_id"], "completed");
    // The bytes of the first take stay when it is deleted: the copy names them too.
    let deleted = one.request("DELETE", &format!("/api/v1/frames/{}", imported["id"]), &[], None);
    assert_eq!(deleted.status, 204, "{}", deleted.text);
    let export = one.send("POST", &format!("/api/v1/projects/{}/exports", project["id"]), &json!({"format": "zip"}));
    let begun = Instant::now();
    let export = loop {
        let export = one.get(&format!("/api/v1/exports/{}", export.json()["id"])).json();
        if export["status"] == "completed" {
            break export;
        }
        assert!(begun.elapsed() < WITHIN && export["status"] != "failed", "{export}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let (_, bytes) = one.bytes(path(&export["path"]));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a ZIP");
    let mut first = Vec::new();
    std::io::copy(&mut archive.by_index(0).expect("a picture"), &mut first).expect("read");
    assert_eq!(first, picture(&two, path(&copy["path"])).1);
}

/// The object store is away while pictures are finished: they wait, and no task fails. What is cached is shown, and what is not is
/// 503.
#[test]
fn while_the_object_store_is_away_pictures_wait_and_none_is_lost() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.server(&[]), place.server(&["--concurrency", "0"]));
    let project = one.create("Away");
    let first = generate(&one, &project, 128, 4, 1).remove(0);
    one.wait_for_task(&first["task_id"], "completed");
    let address = path(&first["preview_path"]);
    place.s3.set_fault(Fault::Away);
    let made = generate(&two, &project, 128, 4, 3);
    let waits = |task: &Value| task["waiting_for"].as_str().is_some_and(|reason| reason.contains("object store"));
    wait_for(&one, &made[0], "waiting", waits);
    assert_eq!(picture(&one, address), picture(&one, address), "its maker has it");
    let answer = two.get(address);
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{}", answer.text);
    assert_eq!(two.get(&address.replace(".png", "/160.jpg")).status, 503);
    assert_eq!(two.get("/health/ready").status, 200, "pages, previews and the queue are there");
    let (here, there) = (samples(&one.get("/metrics")), samples(&two.get("/metrics")));
    let calls =
        |op: &str, outcome: &str| format!("emberline_object_seconds_count{{op=\"{op}\",outcome=\"{outcome}\"}}");
    assert_eq!(
        (here[&calls("put", "ok")], here["emberline_spooled_pictures"]),
        (3.0, 1.0),
        "its identity, a picture and its trace: {here:?}"
    );
    assert!(here[&calls("put", "away")] >= 1.0 && there[&calls("get", "away")] >= 1.0, "{here:?} {there:?}");
    // Longer than the lease: it is renewed while the picture waits.
    std::thread::sleep(Duration::from_secs(5));
    place.s3.set_fault(Fault::None);
    for made in &made {
        two.wait_for_task(&made["task_id"], "completed");
        let task = two.get(&format!("/api/v1/tasks/{}", made["task_id"])).json();
        assert_eq!(task["attempt"], 1, "{task}");
        picture(&two, path(&made["preview_path"]));
    }
    picture(&two, address);
    let (_, log, folder) = one.stop();
    let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!((lines("the object store is away"), lines("the object store answers again")), (1, 1), "{log}");
    let secret = place.s3.variables().pop().expect("a secret").1;
    assert!(!log.contains(&secret));
    let spool = std::fs::read_dir(folder.path().join("data/cache/spool")).expect("the spool");
    assert_eq!(spool.count(), 0, "what is stored does not wait");
}

/// A server that is stopped during an outage makes its picture only once, and a cancellation does not wait for the object store.
#[test]
fn a_picture_that_waits_survives_a_restart_and_can_be_cancelled() {
    let Some(place) = Place::new() else { return };
    let one = place.server(&[]);
    let project = one.create("Restart");
    place.s3.set_fault(Fault::Fails);
    let waits = |task: &Value| task["waiting_for"].as_str().is_some_and(|reason| reason.contains("object store"));
    let cancelled = generate(&one, &project, 128, 4, 1).remove(0);
    wait_for(&one, &cancelled, "waiting", waits);
    let begun = Instant::now();
    let answer = one.request("POST", &format!("/api/v1/tasks/{}/cancel", cancelled["task_id"]), &[], None);
    assert_eq!((answer.status, begun.elapsed() < Duration::from_secs(2)), (200, true), "{:?}", begun.elapsed());
    let made = generate(&one, &project, 128, 4, 1).remove(0);
    wait_for(&one, &made, "waiting", waits);
    let (_, _, folder) = one.stop();
    place.s3.set_fault(Fault::None);
    let again = place.server_in(folder, &[]);
    again.wait_for_task(&made["task_id"], "completed");
    picture(&again, path(&made["preview_path"]));
    let (_, log, _) = again.stop();
    assert!(log.contains("an earlier attempt has finished this picture"), "{log}");
}

#[test]
fn changed_bytes_are_never_served() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.server(&[]), place.server(&["--concurrency", "0"]));
    let project = one.create("Flipped");
    let made = generate(&one, &project, 128, 4, 1).remove(0);
    one.wait_for_task(&made["task_id"], "completed");
    let address = path(&made["preview_path"]);
    place.s3.set_fault(Fault::Flipped);
    for _ in 0..3 {
        assert_eq!(two.get(address).status, 500);
    }
    place.s3.set_fault(Fault::Cut);
    assert_eq!(two.get(address).status, 503);
    place.s3.set_fault(Fault::None);
    assert_eq!(picture(&two, address), picture(&one, address));
    let (_, log, _) = two.stop();
    assert_eq!(log.lines().filter(|line| line.contains("is damaged")).count(), 1, "{log}");
}

#[test]
fn old_objects_without_a_row_are_removed_and_all_others_stay() {
    let Some(place) = Place::new() else { return };
    let one = place.server(&[]);
    let project = one.create("Orphans");
    let made = generate(&one, &project, 128, 4, 1).remove(0);
    one.wait_for_task(&made["task_id"], "completed");
    let key = path(&made["preview_path"]).trim_start_matches("/media/").trim_end_matches(".png").to_owned();
    drop(one.stop());
    let Some(pictures) = place.s3.file("pictures") else { return };
    let own = std::fs::read_dir(pictures.join(&key))
        .expect("its folder")
        .next()
        .expect("an object")
        .expect("an object")
        .path();
    let orphan = |name: &str| {
        let path = pictures.join(name).join("1-0123456789abcdef0123456789abcdef.png");
        std::fs::create_dir(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, "a picture").expect("written");
        path
    };
    let (old, young) = (orphan("0123456789abcdef"), orphan("fedcba9876543210"));
    let make_old = |path: &Path| {
        let long_ago = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
        File::options().write(true).open(path).expect("opens").set_modified(long_ago).expect("set");
    };
    [&old, &own].into_iter().for_each(|path| make_old(path));
    let two = place.server(&[]);
    let begun = Instant::now();
    while old.exists() {
        assert!(begun.elapsed() < WITHIN, "it is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(young.exists() && own.exists());
    picture(&two, path(&made["preview_path"]));
}

#[test]
fn a_worker_stores_objects_and_needs_a_folder_of_its_own() {
    let Some(place) = Place::new() else { return };
    let server = place.server(&["--concurrency", "0"]);
    let cache = tempfile::tempdir().expect("a folder");
    let worker = || {
        let mut command = emberline();
        command.envs(place.s3.variables()).args(["worker", "--device", "cpu", "--lease", "3"]);
        command.args(["--database-url", &place.url, "--media-url", &place.s3.url()]);
        command
    };
    let refused = worker().output().expect("it runs");
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && error.contains("--cache-dir"), "{error}");
    let mut child = worker().arg("--cache-dir").arg(cache.path()).spawn().expect("it starts");
    let project = server.create("Worker");
    let made = generate(&server, &project, 128, 4, 1).remove(0);
    server.wait_for_task(&made["task_id"], "completed");
    picture(&server, path(&made["preview_path"]));
    assert_eq!((place.s3.count("PUT", "pictures"), place.s3.count("GET", "pictures")), (1, 1));
    child.kill().expect("killed");
    child.wait().expect("it ends");
}

#[test]
fn a_wrong_object_store_is_refused_at_the_start() {
    let Some(place) = Place::new() else { return };
    let one = place.server(&[]);
    let project = one.create("Wrong");
    let made = generate(&one, &project, 128, 4, 1).remove(0);
    one.wait_for_task(&made["task_id"], "completed");
    drop(one.stop());
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data").display().to_string();
    let refused = |database: &str, media: &str| {
        let mut command = emberline();
        command.envs(place.s3.variables()).args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--device",
            "cpu",
            "--data-dir",
            &data,
        ]);
        let output = command.args(["--database-url", database, "--media-url", media]).output().expect("it runs");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let other = format!("{}-other", place.s3.url());
    let error = refused(&place.url, &other);
    assert!(error.contains("does not have the object media.id"), "{error}");
    let error = refused(&place.url, &folder.path().join("pictures").display().to_string());
    assert!(error.contains("are objects of an object store"), "{error}");
    let error = refused(&format!("sqlite:{}", folder.path().join("x.db").display()), &place.s3.url());
    assert!(error.contains("needs a PostgreSQL database"), "{error}");
    let another = test_postgres::cluster().expect("it runs").create("objects_another");
    let error = refused(&another, &place.s3.url());
    assert!(error.contains("the pictures of another database"), "{error}");
}
