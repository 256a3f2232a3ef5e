//! Exports of several servers: each can list, download and delete those of all.

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
