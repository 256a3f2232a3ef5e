//! `emberline move`, from SQLite and a folder to PostgreSQL and a shared folder, and back.

use crate::{
    pauses::{begun, done, file, paused, reference, settings},
    several_servers::{Place, execute},
    support::{Events, TestServer, emberline, run},
};
use engine::{Media, new_key};
use protocol::{NewProject, Parameters};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use store::{FinishedTake, NewTake, Store};
use tempfile::TempDir;
use test_s3::TestS3;

/// A picture in many steps, for a pause between two of them.
const LONG: &str = r#"{"steps": 60, "width": 128, "height": 128}"#;

/// Data folder of a stopped server: finished pictures, one with a trace, and a picture that is paused. Returns what its
/// picture becomes without a pause.
fn made() -> (TempDir, (Value, u64), Vec<u8>) {
    let server = TestServer::start();
    settings(&server, &json!({"trace": "all"}));
    let project = server.create("Kept");
    let long: Value = serde_json::from_str(LONG).expect("JSON");
    let whole = reference(&server, &project, &long);
    let task = begun(&server, &project, &long, 20);
    let step = paused(&server, &task);
    let gone = server.create("Deleted");
    assert_eq!(server.request("DELETE", &format!("/api/v1/projects/{}", gone["id"]), &[], None).status, 204);
    (server.stop().2, (task, step), whole)
}

/// Adds imported pictures to a stopped server's data folder.
fn add(folder: &Path, projects: usize, pictures: usize) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = Store::own(&format!("sqlite:{}", folder.join("emberline.db").display())).await.expect("opens");
        let media = Media::open(&folder.join("media")).expect("opens");
        for n in 0..projects {
            let new = NewProject { name: format!("Project {n}"), width: 64, height: 64, fps: 12 };
            let project = store.create_project(new).await.expect("created").id;
            for seed in 0..pictures {
                let picture =
                    image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([n, seed, (x * y) as usize].map(|v| v as u8)));
                let mut png = std::io::Cursor::new(Vec::new());
                picture.write_to(&mut png, image::ImageFormat::Png).expect("encoded");
                let key = new_key();
                let etag = media.write_final(&key, png.get_ref()).expect("written");
                let take = NewTake { key, parameters: Parameters::imported(64, 64), seed: seed as u64 };
                store
                    .import_frame(project, None, FinishedTake { take, picture: etag.into(), step: 1 })
                    .await
                    .expect("imported");
            }
        }
        store.close().await.expect("closed");
    });
}

/// Everything that the API lists, by its paths, without what changes by itself.
fn listed(server: &TestServer) -> Vec<(String, Value)> {
    let projects = server.get("/api/v1/projects").json();
    let mut all = vec![("settings".to_owned(), server.get("/api/v1/settings").json())];
    for project in projects.as_array().expect("a list") {
        let path = format!("/api/v1/projects/{}/frames", project["id"]);
        let frames = server.get(&path).json();
        for frame in frames.as_array().expect("a list") {
            let path = format!("/api/v1/frames/{}/takes", frame["id"]);
            all.push((path.clone(), server.get(&path).json()));
        }
        all.push((path, frames));
    }
    all.push(("projects".to_owned(), projects));
    all
}

/// The hash of each picture that a list of frames names, as the server sends it.
fn etags(server: &TestServer, all: &[(String, Value)]) -> Vec<(String, String)> {
    let frames = all.iter().filter(|(path, _)| path.ends_with("/frames"));
    let frames = frames.flat_map(|(_, list)| list.as_array().expect("a list").clone());
    let addresses = frames.filter_map(|frame| frame["path"].as_str().map(str::to_owned));
    addresses
        .map(|path| {
            let (answer, bytes) = server.bytes(&path);
            assert_eq!(answer.status, 200, "{path}");
            (path.split('?').next().expect("a path").to_owned(), format!("{} {}", answer.header("etag"), bytes.len()))
        })
        .collect()
}

fn pictures(folder: &Path) -> usize {
    let entries = fs::read_dir(folder.join("media")).into_iter().flatten();
    entries
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "png")))
        .count()
}

/// Starts a move, and kills it when the new folder has `pictures` or more.
fn killed(arguments: &[&str], new: &Path, wanted: usize) {
    let mut child =
        emberline().arg("move").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    while pictures(new) < wanted {
        assert!(child.try_wait().expect("waits").is_none(), "it ended before {wanted} pictures were there");
        assert!(Instant::now() < deadline, "not {wanted} pictures in 60 s");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("killed");
    child.wait().expect("waits");
}

fn moved(arguments: &[&str]) -> String {
    let output = run(&[&["move"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn refused(arguments: &[&str]) -> String {
    let output = run(&[&["move"], arguments].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

#[test]
fn a_move_that_is_killed_five_times_moves_everything_and_back() {
    let Some(place) = Place::new() else { return };
    let (old, (task, step), whole) = made();
    add(&data(&old), 20, 50);
    let server = TestServer::start_in(old, &["--concurrency", "1"]);
    let before = listed(&server);
    let hashes = etags(&server, &before);
    assert!(hashes.len() > 1000, "{}", hashes.len());
    let old = server.stop().2;

    let (from, shared) = (data(&old).display().to_string(), place.pictures.path().display().to_string());
    let there = ["--from", &from, "--to-database", &place.url, "--to-media", &shared];
    for wanted in [1, 200, 450, 700, 950] {
        killed(&there, place.pictures.path(), wanted);
        assert_eq!(execute(&place, "SELECT count(*) FROM takes"), "0");
    }
    let said = moved(&there);
    assert!(said.contains("1001 finished pictures, each checked"), "{said}");
    assert!(moved(&there).contains("had been moved before"));

    let server = place.server(&[]);
    let after = listed(&server);
    assert_eq!(after, before, "the same ids, addresses and hashes");
    assert_eq!(etags(&server, &after), hashes);
    let shared_state = server.stop().2;

    let back = tempfile::tempdir().expect("a folder");
    let to = data(&back).display().to_string();
    let said = moved(&["--from-database", &place.url, "--from-media", &shared, "--to", &to]);
    assert!(said.contains("1001 finished pictures, each checked"), "{said}");
    drop(shared_state);
    let server = TestServer::start_in(back, &[]);
    let after = listed(&server);
    assert_eq!(after, before);
    assert_eq!(etags(&server, &after), hashes);
    // The paused picture goes on after its saved step, and becomes the same one.
    let mut events = Events::connect(&server, "");
    done(&server, &task, "resume");
    let first = events.until("generation_progress", Duration::from_secs(60)).pop().expect("a step");
    assert!(first["data"]["step"].as_u64() > Some(step), "paused after {step} steps: {first}");
    server.wait_for_task(&task["task_id"], "completed");
    assert_eq!(file(&server, &task), whole);
}

#[test]
fn what_cannot_be_moved_is_refused_and_nothing_changes() {
    let server = TestServer::start();
    server.create("Kept");
    let from = server.data_dir().display().to_string();
    let new = tempfile::tempdir().expect("a folder");
    let to = new.path().join("data").display().to_string();
    let there = ["--from", &from, "--to", &to];
    let error = refused(&there);
    assert!(error.contains("another emberline uses the data folder"), "{error}");
    let old = server.stop().2;
    assert!(refused(&["--from", &from, "--to", &from]).contains("each needs another one"));
    assert!(refused(&["--from", &from]).contains("--to-database and --to-media are both needed"));
    assert!(refused(&["--from", "/nowhere/at/all", "--to", &to]).contains("there is no folder /nowhere/at/all"));

    add(&data(&old), 1, 3);
    let picture =
        fs::read_dir(data(&old).join("media")).expect("a folder").map(|entry| entry.expect("an entry").path());
    let picture = picture.filter(|path| path.extension().is_some_and(|end| end == "png")).min().expect("a picture");
    let bytes = fs::read(&picture).expect("a file");
    let mut changed = bytes.clone();
    *changed.last_mut().expect("bytes") ^= 1;
    fs::write(&picture, &changed).expect("written");
    let error = refused(&there);
    let name = picture.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(
        error.contains("1 finished pictures are missing or are not what they were") && error.contains(&name),
        "{error}"
    );
    fs::remove_file(&picture).expect("removed");
    assert!(refused(&there).contains(&name));
    fs::write(&picture, &bytes).expect("written");
    let said = moved(&there);
    assert!(said.contains("1 projects") || said.contains("2 projects"), "{said}");
    assert!(said.contains("3 finished pictures") && said.contains("2 of the files were there"), "{said}");

    // A third installation does not go over the second.
    let other = TestServer::start();
    other.create("Other");
    let other = other.stop().2;
    let error = refused(&["--from", &data(&other).display().to_string(), "--to", &to]);
    assert!(error.contains("in use"), "{error}");
    let server = TestServer::start_in(new, &[]);
    assert_eq!(server.names(), ["Project 0", "Kept"]);
}

/// A `move` with the variables of an object store.
fn moved_with(s3: &TestS3, arguments: &[&str]) -> String {
    let output = emberline().envs(s3.variables()).arg("move").args(arguments).output().expect("the binary starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn pictures_become_objects_and_files_again() {
    let Some(place) = Place::new() else { return };
    let (old, (task, step), whole) = made();
    add(&data(&old), 1, 12);
    let server = TestServer::start_in(old, &[]);
    let frame = server.get("/api/v1/projects/1/frames").json()[0].clone();
    let copied = server.request("POST", &format!("/api/v1/frames/{}/duplicate", frame["id"]), &[], None);
    assert_eq!(copied.status, 201, "{}", copied.text);
    let before = listed(&server);
    let hashes = etags(&server, &before);
    let traced = [&frame["take_id"], &task["take_id"]].map(|take| format!("/api/v1/takes/{take}/trace"));
    let traces = |server: &TestServer| traced.each_ref().map(|path| server.get(path).json());
    let formed = traces(&server);
    assert!(formed.iter().all(|trace| trace["steps"].as_array().is_some_and(|steps| steps.len() > 1)), "{formed:?}");
    let old = server.stop().2;

    let (s3, from) = (TestS3::start(), data(&old).display().to_string());
    let there = ["--from", &from, "--to-database", &place.url, "--to-media", &s3.url()];
    let said = moved_with(&s3, &there);
    assert!(said.contains("14 finished pictures, each checked"), "{said}");
    assert!(said.contains("3 traces") && !said.contains("left behind"), "{said}");
    assert!(moved_with(&s3, &there).contains("had been moved before"));
    let variables = s3.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let shared = ["--device", "cpu", "--database-url", &place.url, "--media-url", &s3.url()];
    let server = TestServer::start_as(tempfile::tempdir().expect("a folder"), &shared, &variables);
    let after = listed(&server);
    assert_eq!(etags(&server, &after), hashes);
    assert_eq!(traces(&server), formed);
    let folder = server.stop().2;

    let back = tempfile::tempdir().expect("a folder");
    let to = data(&back).display().to_string();
    let said = moved_with(&s3, &["--from-database", &place.url, "--from-media", &s3.url(), "--to", &to]);
    assert!(said.contains("14 finished pictures, each checked") && said.contains("3 traces"), "{said}");
    let local = TestServer::start_in(back, &[]);
    assert_eq!(listed(&local), before);
    assert_eq!(etags(&local, &before), hashes);
    assert_eq!(traces(&local), formed);
    // The paused picture goes on after its saved step, from the file and from the object.
    let server = TestServer::start_as(folder, &shared, &variables);
    for server in [&local, &server] {
        let mut events = Events::connect(server, "");
        done(server, &task, "resume");
        let first = events.until("generation_progress", Duration::from_secs(60)).pop().expect("a step");
        assert!(first["data"]["step"].as_u64() > Some(step), "paused after {step} steps: {first}");
        server.wait_for_task(&task["task_id"], "completed");
        assert_eq!(file(server, &task), whole);
    }
}
