//! Damaged databases, invalid rows, a full disk, and file permissions.

use crate::support::{TestServer, run};
use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Changes the database without its CHECK constraints, as a faulty program could.
fn force(data: &Path, sql: &str) {
    let file = data.join("emberline.db").display().to_string();
    let mut database = SqliteConnection::establish(&file).expect("a database");
    database.batch_execute(&format!("PRAGMA ignore_check_constraints = ON; {sql}")).expect(sql);
}

fn doctor(data: &Path) -> (Option<i32>, String) {
    let output = run(&["doctor", "--data-dir", &data.display().to_string()]);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().expect("a list").iter().map(|one| one["id"].as_i64().expect("an id")).collect()
}

#[test]
fn rows_that_cannot_be_read_stop_nothing_and_are_listed() {
    let server = TestServer::start();
    let (bad, good) = (server.create("Bad"), server.create("Good"));
    assert_eq!(server.send("PATCH", "/api/v1/settings", &json!({"interrupted": "fail"})).status, 200);
    assert_eq!(server.request("POST", "/api/v1/queue/pause", &[], None).status, 200);
    let ask = |server: &TestServer, prompt: &str| {
        let asked = json!({"prompt": prompt, "steps": 1, "width": 64, "height": 64});
        server.send("POST", &format!("/api/v1/projects/{}/generations", good["id"]), &asked).json()["tasks"][0].clone()
    };
    let (garbled, unknown, waiting) = (ask(&server, "one"), ask(&server, "two"), ask(&server, "three"));
    let folder = server.stop().2;
    let data = folder.path().join("data");
    assert_eq!(doctor(&data).0, Some(0), "all is well so far");
    force(
        &data,
        &format!(
            "UPDATE projects SET width = -64 WHERE id = {}; UPDATE tasks SET parameters = '{{' WHERE id = {}; \
             UPDATE tasks SET status = 'dreaming' WHERE id = {}; UPDATE settings SET value = '{{\"interrupted\": 7}}' \
             WHERE name = 'settings';",
            bad["id"], garbled["task_id"], unknown["task_id"]
        ),
    );
    let (status, text) = doctor(&data);
    assert_eq!(status, Some(1), "{text}");
    let line = text.lines().find(|line| line.starts_with("FAULT database")).unwrap_or_else(|| panic!("{text}"));
    for named in [
        format!("projects {}", bad["id"]),
        format!("tasks {}", garbled["task_id"]),
        format!("tasks {}", unknown["task_id"]),
        "settings settings".to_owned(),
    ] {
        assert!(line.contains(&named), "{named}: {line}");
    }

    let server = TestServer::start_in(folder, &[]);
    assert_eq!(server.names(), ["Good"]);
    let tasks = server.get("/api/v1/tasks").json();
    assert_eq!(ids(&tasks), [waiting["task_id"].as_i64().expect("an id")]);
    assert_eq!(server.get("/api/v1/queue").json()["tasks"].as_array().map(Vec::len), Some(1));
    assert_eq!(server.get("/api/v1/settings").json()["interrupted"], "requeue", "the default");
    // The page still works, and the queue continues after an unreadable task.
    assert_eq!(server.get("/").status, 200);
    assert_eq!(server.get(&format!("/projects/{}", good["id"])).status, 200);
    assert_eq!(server.request("POST", "/api/v1/queue/resume", &[], None).status, 200);
    server.wait_for_task(&waiting["task_id"], "completed");
    let read = server.get(&format!("/api/v1/tasks/{}", garbled["task_id"]));
    assert_eq!(read.status, 500, "{}", read.text);
    assert!(read.text.contains("cannot be read"), "{}", read.text);
    let (_, log, _) = server.stop();
    for (row, what) in [(&bad["id"], "projects"), (&garbled["task_id"], "tasks")] {
        let named = log.lines().filter(|line| line.contains("cannot be read and is left out"));
        let named = named.filter(|line| line.contains(&format!("table=\"{what}\" row={row} ")));
        assert_eq!(named.count(), 1, "{what} {row} is named once:\n{log}");
    }
    assert!(log.contains("settings") && log.contains("the defaults are used"), "{log}");
}

#[test]
fn doctor_finds_what_is_in_the_way_of_a_start() {
    let server = TestServer::start();
    let folder = server.stop().2;
    let data = folder.path().join("data");
    assert_eq!(doctor(&data).0, Some(0), "all is well so far");
    for name in ["exports", "lost+found"] {
        fs::remove_dir(data.join(name)).ok();
        fs::write(data.join(name), "a file").expect("written");
        let (status, text) = doctor(&data);
        let line = text.lines().find(|line| line.starts_with("FAULT folder")).unwrap_or_else(|| panic!("{text}"));
        assert!(status == Some(1) && line.contains(&format!("{name} is not a folder")), "{text}");
        fs::remove_file(data.join(name)).expect("removed");
    }
    let file = data.join("emberline.lock");
    let (status, text) = doctor(&file);
    assert!(status == Some(1) && text.contains("emberline.lock is not a folder"), "{text}");
    let models = data.join("models");
    fs::write(&models, "a file").expect("written");
    let [data_dir, models] = [&data, &models].map(|path| path.display().to_string());
    let output = run(&["doctor", "--data-dir", &data_dir, "--models", &models]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(1) && text.contains("FAULT library"), "{text}");
    force(&data, "DROP TABLE library_files");
    let (status, text) = doctor(&data);
    assert!(status == Some(1) && text.contains("FAULT database") && text.contains("library_files"), "{text}");
}

#[test]
fn damaged_pages_are_refused_in_words_and_left_alone() {
    let server = TestServer::start();
    for n in 0..150 {
        server.create(&format!("{n} {}", "x".repeat(100)));
    }
    let folder = server.stop().2;
    let data = folder.path().join("data");
    let path = data.join("emberline.db");
    let whole = fs::read(&path).expect("the database");
    let file = fs::OpenOptions::new().write(true).open(&path).expect("opened");
    let pages = whole.len() as u64 / 4096;
    (4..pages).for_each(|page| file.write_all_at(&[0xa5; 1024], page * 4096).expect("damaged"));
    let damaged = fs::read(&path).expect("the database");
    let (status, text) = doctor(&data);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.lines().any(|line| line.starts_with("FAULT database")), "{text}");
    let output = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data.display().to_string()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("is damaged") && said.contains("backup"), "{said}");
    assert_eq!(said.lines().count(), 1, "logged once: {said}");
    assert_eq!(fs::read(&path).expect("the database"), damaged, "nothing was written");
    fs::write(&path, whole).expect("restored");
    assert_eq!(TestServer::start_in(folder, &[]).names().len(), 150);
}

/// All files and folders below a folder, the folder itself included.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(all(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn what_the_server_writes_is_read_by_its_own_user_alone() {
    let server = TestServer::start();
    let project = server.create("Private");
    let asked = json!({"prompt": "a star", "steps": 1, "width": 64, "height": 64});
    server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &asked);
    server.wait_for_idle();
    let export = server.send("POST", &format!("/api/v1/projects/{}/exports", project["id"]), &json!({"format": "zip"}));
    let export = export.json()["id"].clone();
    while server.get(&format!("/api/v1/exports/{export}")).json()["status"] != "completed" {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let files = all(&server.data_dir());
    for wanted in ["emberline.db", "emberline.db-wal", "emberline.lock", ".media.id", &format!("{export}.zip")] {
        assert!(files.iter().any(|path| path.ends_with(wanted)), "{wanted} is not in {files:?}");
    }
    assert!(files.iter().any(|path| path.extension().is_some_and(|end| end == "png")));
    for path in files {
        let mode = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}: {mode:o}", path.display());
    }
}

#[test]
fn what_others_can_read_is_warned_about() {
    let server = TestServer::start();
    let (_, log, folder) = server.stop();
    assert!(!log.contains("WARN"), "{log}");
    let data = folder.path().join("data");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("set");
    let password = folder.path().join("password");
    fs::write(&password, "correct horse battery").expect("written");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o640)).expect("set");
    let option = password.display().to_string();
    let (_, log, folder) = TestServer::start_in(folder, &["--password-file", &option]).stop();
    assert_eq!(log.matches("can look into the data folder").count(), 1, "{log}");
    assert_eq!(log.matches("can read the password file").count(), 1, "{log}");
    assert_eq!(fs::metadata(&data).expect("there").permissions().mode() & 0o777, 0o755, "its owner decides");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("set");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("set");
    let (_, log, _) = TestServer::start_in(folder, &["--password-file", &option]).stop();
    assert!(!log.contains("WARN"), "{log}");
}

#[test]
fn ids_of_exports_and_the_epoch_are_new_at_each_start() {
    let mut folder = tempfile::tempdir().expect("a folder");
    let (mut ids, mut epochs) = (Vec::new(), Vec::new());
    for start in 0..3 {
        let server = TestServer::start_in(folder, &[]);
        if start == 0 {
            let project = server.create("Exported");
            let asked = json!({"prompt": "a star", "steps": 1, "width": 64, "height": 64});
            server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &asked);
            server.wait_for_idle();
        }
        let project = server.get("/api/v1/projects").json()[0]["id"].clone();
        let export = server.send("POST", &format!("/api/v1/projects/{project}/exports"), &json!({"format": "zip"}));
        ids.push(export.json()["id"].as_i64().expect("an id"));
        epochs.push(crate::support::Events::connect(&server, "").hello["epoch"].clone());
        folder = server.stop().2;
        // Simulates a first start with a clock one year ahead.
        let ahead = 365 * 24 * 60 * 60 * 1000_i64;
        if start == 0 {
            let sql =
                format!("UPDATE settings SET value = CAST(value AS INTEGER) + {ahead} WHERE name = 'next_export_id'");
            force(&folder.path().join("data"), &sql);
            ids.push(ids[0] + ahead);
        }
    }
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    epochs.dedup();
    assert_eq!(epochs.len(), 3);
}
