//! Pictures or a database are missing, or one is from an older backup. The server deletes nothing for that reason.

use crate::support::{TestServer, run};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Data folder of a stopped server, with one project and `pictures` finished pictures.
fn made(pictures: usize) -> TempDir {
    let server = TestServer::start();
    let project = server.create("Kept");
    add(&server, &project["id"], pictures);
    server.stop().2
}

fn add(server: &TestServer, project: &Value, pictures: usize) {
    for _ in 0..pictures {
        let asked = json!({"prompt": "a star", "steps": 1, "width": 64, "height": 64});
        assert_eq!(server.send("POST", &format!("/api/v1/projects/{project}/generations"), &asked).status, 202);
    }
    server.wait_for_idle();
}

fn frames(server: &TestServer) -> usize {
    let project = server.get("/api/v1/projects").json()[0]["id"].clone();
    server.get(&format!("/api/v1/projects/{project}/frames")).json().as_array().expect("a list").len()
}

/// All files of a folder with their content.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(content(&path)),
            false => found.push((path.clone(), fs::read(&path).expect("a file"))),
        }
    }
    found.sort();
    found
}

fn pngs(folder: &Path) -> Vec<Vec<u8>> {
    let files = content(folder).into_iter();
    files.filter(|(path, _)| path.extension().is_some_and(|end| end == "png")).map(|(_, bytes)| bytes).collect()
}

/// Checks that `serve` refuses to start, that `doctor` reports a fault, and that neither changes a file. Returns the
/// messages of `serve`.
fn refused(data: &Path, arguments: &[&str]) -> String {
    let before = content(data);
    let (data_text, mut said) = (data.display().to_string(), Vec::new());
    for command in [&["doctor"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = run(&[command, &["--data-dir", &data_text], arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{command:?}: {output:?}");
        if command == ["doctor"] {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                text.lines().any(|line| line.starts_with("FAULT data") || line.starts_with("FAULT database")),
                "{text}"
            );
        }
        let changed = content(data).into_iter().filter(|(path, _)| !path.to_string_lossy().ends_with(".lock"));
        let unchanged = before.iter().filter(|(path, _)| !path.to_string_lossy().ends_with(".lock")).cloned();
        assert_eq!(changed.collect::<Vec<_>>(), unchanged.collect::<Vec<_>>(), "{command:?} changed something");
        said.push(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    said.pop().expect("two commands")
}

#[test]
fn a_start_without_the_pictures_folder_is_refused_whatever_the_number_and_nothing_is_lost() {
    for count in [0, 1, 3] {
        let folder = made(count);
        let data = folder.path().join("data");
        let (media, away) = (data.join("media"), folder.path().join("unmounted"));
        let was = content(&media);
        fs::rename(&media, &away).expect("the disk goes");
        let said = refused(&data, &[]);
        assert!(said.contains("missing") && said.contains("--accept-missing-pictures"), "{said}");
        assert!(!media.exists());
        // The empty mount point of a disk that is not mounted.
        fs::create_dir(&media).expect("made");
        let said = refused(&data, &[]);
        assert!(said.contains("missing") && said.contains("Nothing was changed"), "{said}");
        fs::remove_dir(&media).expect("it is still empty");
        fs::rename(&away, &media).expect("the disk comes back");
        let server = TestServer::start_in(folder, &[]);
        assert_eq!(frames(&server), count);
        assert_eq!(content(&media), was);
        assert!(!data.join("lost+found").exists());
    }
}

#[test]
fn a_folder_of_an_earlier_version_is_taken_over_with_its_pictures_and_refused_without() {
    let folder = made(2);
    let data = folder.path().join("data");
    let (media, away) = (data.join("media"), folder.path().join("unmounted"));
    // Layout before version 0.2: the identity file is beside the media folder.
    fs::rename(media.join(".media.id"), data.join("media.id")).expect("moved");
    let identity = fs::read(data.join("media.id")).expect("an identity");
    fs::rename(&media, &away).expect("the disk goes");
    fs::create_dir(&media).expect("made");
    let said = refused(&data, &[]);
    assert!(said.contains("the database has 2 finished pictures, and none is in the folder"), "{said}");
    fs::remove_dir(&media).expect("it is still empty");
    fs::rename(&away, &media).expect("the disk comes back");
    let server = TestServer::start_in(folder, &[]);
    assert_eq!(frames(&server), 2);
    assert_eq!(fs::read(media.join(".media.id")).expect("inside"), identity);
    assert!(!data.join("media.id").exists());
}

#[test]
fn pictures_that_a_person_gives_up_leave_their_rows_and_come_back_into_lost_and_found() {
    let folder = made(3);
    let data = folder.path().join("data");
    let (media, away) = (data.join("media"), folder.path().join("unmounted"));
    fs::rename(&media, &away).expect("the disk goes");
    let were = pngs(&away);
    let server = TestServer::start_in(folder, &["--accept-missing-pictures"]);
    assert_eq!(frames(&server), 0);
    // The takes' traces are there too, and nothing else.
    let (traces, lists): (Vec<_>, Vec<_>) = content(&data.join("lost+found"))
        .into_iter()
        .partition(|(path, _)| path.extension().is_some_and(|kind| kind == "trace"));
    let (path, list) = &lists[0];
    assert!(lists.len() == 1 && path.ends_with("contents.json"), "{path:?}");
    assert_eq!(traces.len(), 3);
    let list: Value = serde_json::from_slice(list).expect("JSON");
    let rows = list["rows_without_a_picture"].as_array().expect("rows");
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert!(row["task"]["parameters"].as_str().is_some_and(|text| text.contains("a star")), "{row}");
        assert_eq!(row["project"]["name"], "Kept");
        assert!(away.join(format!("{}.png", row["take"]["key"].as_str().expect("a key"))).exists());
    }
    let (status, log, folder) = server.stop();
    assert!(status.success(), "{log}");
    // The disk is mounted again. No row refers to its pictures; they must not be deleted.
    fs::remove_dir_all(&media).expect("removed");
    fs::rename(&away, &media).expect("moved");
    let server = TestServer::start_in(folder, &[]);
    assert_eq!(frames(&server), 0);
    let mut now = pngs(&data.join("lost+found"));
    now.sort();
    let mut before = were;
    before.sort();
    assert_eq!(now, before);
    assert!(pngs(&media).is_empty());
    assert_eq!(fs::read_dir(data.join("lost+found")).expect("a folder").count(), 2, "one folder for each start");
}

#[test]
fn a_database_of_an_earlier_day_moves_newer_pictures_and_deletes_none() {
    let folder = made(1);
    let data = folder.path().join("data");
    let backup = fs::read(data.join("emberline.db")).expect("the database");
    let server = TestServer::start_in(folder, &[]);
    let project = server.get("/api/v1/projects").json()[0]["id"].clone();
    add(&server, &project, 2);
    let folder = server.stop().2;
    let mut were = pngs(&data.join("media"));
    assert_eq!(were.len(), 3);
    fs::write(data.join("emberline.db"), backup).expect("restored");
    let server = TestServer::start_in(folder, &[]);
    assert_eq!(frames(&server), 1);
    let mut now = [pngs(&data.join("media")), pngs(&data.join("lost+found"))].concat();
    assert_eq!(pngs(&data.join("lost+found")).len(), 2);
    now.sort();
    were.sort();
    assert_eq!(now, were);
}

#[test]
fn pictures_of_an_earlier_day_under_a_newer_database_are_refused_where_many_are_missing() {
    let folder = made(1);
    let data = folder.path().join("data");
    let backup = folder.path().join("backup");
    fs::create_dir(&backup).expect("made");
    for (path, bytes) in content(&data.join("media")) {
        fs::write(backup.join(path.file_name().expect("a name")), bytes).expect("copied");
    }
    let server = TestServer::start_in(folder, &[]);
    let project = server.get("/api/v1/projects").json()[0]["id"].clone();
    add(&server, &project, 9);
    let folder = server.stop().2;
    let (media, newer) = (data.join("media"), folder.path().join("newer"));
    fs::rename(&media, &newer).expect("moved");
    fs::rename(&backup, &media).expect("restored");
    let said = refused(&data, &[]);
    assert!(said.contains("the database has 10 finished pictures, and 9 of them are not in the folder"), "{said}");
    fs::remove_dir_all(&media).expect("removed");
    fs::rename(&newer, &media).expect("moved");
    assert_eq!(frames(&TestServer::start_in(folder, &[])), 10);
}

#[test]
fn a_second_data_folder_on_one_database_is_refused_while_the_first_runs_and_after() {
    let folder = made(0);
    let url = format!("sqlite:{}", folder.path().join("data/emberline.db").display());
    let other = tempfile::tempdir().expect("a folder");
    let other_data = other.path().join("data");
    let start = || {
        let data = other_data.display().to_string();
        let output = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data, "--database-url", &url]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    // A database without pictures cannot be shared either: pictures of one server would be missing from the other's
    // folder.
    let said = start();
    assert!(said.contains("the folder is missing") && !other_data.join("media").exists(), "{said}");
    let server = TestServer::start_in(folder, &[]);
    let project = server.create("Running");
    let asked = json!({"prompt": "a star", "steps": 1000, "width": 64, "height": 64});
    let made = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &asked).json();
    let id = &made["tasks"][0]["task_id"];
    server.wait_for_start(id, 1);
    let said = start();
    assert!(said.contains("another emberline uses the database"), "{said}");
    let task = server.get(&format!("/api/v1/tasks/{id}")).json();
    assert_eq!((&task["status"], &task["attempt"]), (&json!("running"), &json!(1)), "its task is not taken from it");
}

#[test]
fn pictures_without_their_database_are_refused_and_no_database_is_made() {
    let folder = made(2);
    let data = folder.path().join("data");
    let database = fs::read(data.join("emberline.db")).expect("the database");
    fs::remove_file(data.join("emberline.db")).expect("removed");
    let said = refused(&data, &[]);
    assert!(said.contains("the folder has 2 pictures, and the database knows none"), "{said}");
    fs::write(data.join("emberline.db"), "").expect("emptied");
    let said = refused(&data, &[]);
    assert!(said.contains("the folder has 2 pictures, and the database knows none"), "{said}");
    fs::write(data.join("emberline.db"), database).expect("restored");
    assert_eq!(frames(&TestServer::start_in(folder, &[])), 2);
}

#[test]
fn a_file_in_the_place_of_the_pictures_folder_is_named() {
    let folder = made(1);
    let data = folder.path().join("data");
    let (media, away) = (data.join("media"), folder.path().join("away"));
    fs::rename(&media, &away).expect("moved");
    fs::write(&media, "in the way").expect("written");
    let said = refused(&data, &[]);
    assert!(said.contains("media") && said.to_lowercase().contains("not a directory"), "{said}");
    fs::remove_file(&media).expect("removed");
    fs::rename(&away, &media).expect("moved");
    assert_eq!(frames(&TestServer::start_in(folder, &[])), 1);
}
