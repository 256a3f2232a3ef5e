//! Exports of several servers: each can list, download and delete those of all.

use crate::object_traces::make_old;
use crate::several_servers::{Place, execute, generate};
use crate::support::TestServer;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn export(server: &TestServer, project: &Value) -> Value {
    let answer = server.send("POST", &format!("/api/v1/projects/{}/exports", project["id"]), &json!({"format": "gif"}));
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()
}

fn get(server: &TestServer, export: &Value) -> Value {
    server.get(&format!("/api/v1/exports/{}", export["id"])).json()
}

fn wait(server: &TestServer, export: &Value, is: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let now = get(server, export);
        if is(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "{now}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_server_has_the_exports_of_all() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.server(&[]), place.server(&["--concurrency", "0"]));
    let project = one.create("Storm over the sea");
    let made = generate(&one, &project, 64, 4, 1).remove(0);
    one.wait_for_task(&made["task_id"], "completed");
    let (first, second) = (export(&one, &project), export(&two, &project));
    assert!(first["id"].as_i64() < second["id"].as_i64(), "{first} {second}");
    let is_done = |export: &Value| export["status"] == "completed";
    for export in [&first, &second] {
        let (here, there) = (wait(&one, export, is_done), wait(&two, export, is_done));
        assert_eq!(here, there);
        let path = here["path"].as_str().expect("a path");
        let (answer, bytes) = two.bytes(path);
        assert!(bytes.starts_with(b"GIF89a") && bytes == one.bytes(path).1);
        assert!(answer.header("content-disposition").contains("Storm-over-the-sea.gif"));
    }
    // A start removes nothing of the others'.
    let three = place.server(&["--concurrency", "0"]);
    let list = three.get(&format!("/api/v1/projects/{}/exports", project["id"])).json();
    let ids: Vec<_> = list.as_array().expect("a list").iter().map(|export| &export["id"]).collect();
    assert_eq!(ids, [&second["id"], &first["id"]]);
    assert_eq!(three.bytes(list[0]["path"].as_str().expect("a path")).0.status, 200);
    let path = format!("/api/v1/exports/{}", first["id"]);
    assert_eq!(three.request("DELETE", &path, &[], None).status, 204);
    assert_eq!((one.get(&path).status, two.get(&format!("{path}/file")).status), (404, 404));
    let files = std::fs::read_dir(place.pictures.path().join("exports")).expect("the folder");
    assert_eq!(files.count(), 1, "its file is gone");
}

#[test]
fn the_export_of_a_server_that_is_gone_fails() {
    let Some(place) = Place::new() else { return };
    let server = place.server(&[]);
    let project = server.create("Gone");
    let made = generate(&server, &project, 64, 4, 1).remove(0);
    server.wait_for_task(&made["task_id"], "completed");
    let done = export(&server, &project);
    wait(&server, &done, |export| export["status"] == "completed");
    let other = place.server(&["--concurrency", "0"]);
    wait(&other, &done, |export| export["status"] == "completed");
    execute(
        &place,
        "UPDATE exports SET is_open = TRUE, server_id = 'gone', body = jsonb_set(body, '{export,status}', '\"running\"')",
    );
    let failed = get(&other, &done);
    assert_eq!(
        (&failed["status"], &failed["error"]),
        (&json!("failed"), &json!("the server that made it is gone; export it again"))
    );
}

/// The files are objects: each server gets one when a client asks for it.
#[test]
fn with_an_object_store_every_server_has_the_exports_of_all() {
    let Some(place) = crate::objects::Place::new() else { return };
    let (one, two) = (place.server(&[]), place.server(&["--concurrency", "0"]));
    let project = one.create("Storm over the sea");
    let made = generate(&one, &project, 64, 4, 1).remove(0);
    one.wait_for_task(&made["task_id"], "completed");
    let is_done = |export: &Value| export["status"] == "completed";
    let (first, second) = (export(&one, &project), export(&two, &project));
    let files = || place.s3.file("exports").map(|folder| std::fs::read_dir(folder).into_iter().flatten().count());
    for export in [&first, &second] {
        wait(&one, export, is_done);
        let path = wait(&two, export, is_done)["path"].as_str().expect("a path").to_owned();
        let gets = place.s3.count("GET", "exports");
        let (answer, bytes) = two.bytes(&path);
        assert!(bytes.starts_with(b"GIF89a") && bytes == one.bytes(&path).1 && bytes == two.bytes(&path).1);
        assert!(answer.header("content-disposition").contains("Storm-over-the-sea.gif"));
        assert_eq!(place.s3.count("GET", "exports") - gets, 1, "by the server that did not make it");
    }
    assert_eq!((place.s3.count("PUT", "exports"), files().unwrap_or(2)), (2, 2));
    // After a restart too, and on a server that starts later.
    drop(one.stop());
    let three = place.server(&["--concurrency", "0"]);
    let list = three.get(&format!("/api/v1/projects/{}/exports", project["id"])).json();
    let ids: Vec<_> = list.as_array().expect("a list").iter().map(|export| &export["id"]).collect();
    assert_eq!(ids, [&second["id"], &first["id"]]);
    place.s3.set_fault(test_s3::Fault::Fails);
    let path = list[1]["path"].as_str().expect("a path");
    assert_eq!(three.get(path).status, 503);
    place.s3.set_fault(test_s3::Fault::Flipped);
    assert_eq!(three.get(path).status, 500, "never other bytes");
    place.s3.set_fault(test_s3::Fault::None);
    assert_eq!(three.bytes(path).1, two.bytes(path).1);
    let address = format!("/api/v1/exports/{}", first["id"]);
    assert_eq!(three.request("DELETE", &address, &[], None).status, 204);
    assert_eq!((two.get(&address).status, two.get(path).status), (404, 404));
    let deadline = Instant::now() + Duration::from_secs(60);
    while files().unwrap_or(1) != 1 {
        assert!(Instant::now() < deadline, "its object is there");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The file of a server that was killed before it named it.
    let Some(folder) = place.s3.file("exports") else { return };
    let (orphan, kept) = (folder.join("999-0123456789abcdef0123456789abcdef.gif"), list[0]["id"].to_string());
    std::fs::write(&orphan, "GIF89a").expect("written");
    for file in std::fs::read_dir(&folder).expect("a folder").flatten() {
        make_old(&file.path(), Duration::from_secs(25 * 60 * 60));
    }
    drop((two.stop(), three.stop()));
    let four = place.server(&["--concurrency", "0"]);
    while orphan.exists() {
        assert!(Instant::now() < deadline, "the orphan is there");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(four.get(&format!("/api/v1/exports/{kept}/file")).status, 200);
}
