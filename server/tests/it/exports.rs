//! Sequences as files, and copies of frames.

use crate::support::TestServer;
use image::{AnimationDecoder, codecs::webp::WebPDecoder};
use serde_json::{Value, json};
use std::{
    io::Cursor,
    thread,
    time::{Duration, Instant},
};

/// A project with so many finished frames.
fn project_with(server: &TestServer, frames: usize) -> Value {
    let new = json!({"name": "Storm, 龍", "width": 64, "height": 64, "fps": 12});
    let project = server.send("POST", "/api/v1/projects", &new).json();
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    for seed in 0..frames {
        let asked = json!({"prompt": "a red car", "seed": seed, "steps": 1, "width": 64, "height": 64});
        let task = server.send("POST", &path, &asked).json()["tasks"][0]["task_id"].clone();
        server.wait_for_task(&task, "completed");
    }
    project
}

fn exported(server: &TestServer, project: &Value, format: &str) -> Value {
    let path = format!("/api/v1/projects/{}/exports", project["id"]);
    let answer = server.send("POST", &path, &json!({"format": format}));
    assert_eq!(answer.status, 202, "{}", answer.text);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let export = server.get(&format!("/api/v1/exports/{}", answer.json()["id"])).json();
        match export["status"].as_str() {
            Some("queued" | "running") => assert!(Instant::now() < deadline, "{export}"),
            Some("completed") => return export,
            _ => panic!("{export}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_sequence_becomes_a_file_of_each_kind() {
    let server = TestServer::start();
    let project = project_with(&server, 3);
    let frames = server.get(&format!("/api/v1/projects/{}/frames", project["id"])).json();
    let longer = server.send("PATCH", &format!("/api/v1/frames/{}", frames[1]["id"]), &json!({"duration": 6}));
    assert_eq!(longer.status, 200);
    for (format, media_type, magic) in [
        ("zip", "application/zip", &b"PK"[..]),
        ("gif", "image/gif", b"GIF89a"),
        ("apng", "image/apng", b"\x89PNG"),
        ("webp", "image/webp", b"RIFF"),
    ] {
        let export = exported(&server, &project, format);
        assert_eq!((&export["done"], &export["total"], &export["skipped"]), (&json!(3), &json!(3), &json!(0)));
        let (answer, bytes) = server.bytes(export["path"].as_str().expect("a path"));
        assert_eq!((answer.status, answer.header("content-type")), (200, media_type));
        assert!(bytes.starts_with(magic), "{format}");
        assert_eq!(export["bytes"], json!(bytes.len()), "{format}");
        let disposition = answer.header("content-disposition");
        assert!(disposition.contains("filename*=UTF-8''Storm-%E9%BE%8D."), "{disposition}");
        if format == "webp" {
            let frames = WebPDecoder::new(Cursor::new(bytes)).expect("a WebP").into_frames();
            let delays: Vec<_> = frames.map(|frame| frame.expect("whole").delay().numer_denom_ms().0).collect();
            assert_eq!(delays, [83, 500, 84], "6 frames of 12 a second are half a second");
        }
    }
    let list = server.get(&format!("/api/v1/projects/{}/exports", project["id"])).json();
    assert_eq!(list.as_array().map(Vec::len), Some(4));
    let newest = format!("/api/v1/exports/{}", list[0]["id"]);
    let part = server.request("GET", &format!("{newest}/file"), &[("range", "bytes=0-3")], None);
    assert_eq!((part.status, part.text.as_str()), (206, "RIFF"));
    assert_eq!(server.request("DELETE", &newest, &[], None).status, 204);
    for gone in [newest.clone(), format!("{newest}/file")] {
        assert_eq!(server.get(&gone).status, 404, "{gone}");
    }
    assert_eq!(server.request("DELETE", &newest, &[], None).status, 404);
    let left: Vec<_> = std::fs::read_dir(server.data_dir().join("exports")).expect("the folder").collect();
    assert_eq!(left.len(), 3, "its file is gone, the others stay");
    // What they were made from stays; the next start begins with an empty folder.
    let server = TestServer::start_in(server.stop().2, &[]);
    assert_eq!(std::fs::read_dir(server.data_dir().join("exports")).expect("the folder").count(), 0);
    assert_eq!(server.get(&format!("/api/v1/projects/{}/exports", project["id"])).json(), json!([]));
}

#[test]
fn what_cannot_be_exported_is_told() {
    let server = TestServer::start();
    let empty = server.create("Empty");
    let path = format!("/api/v1/projects/{}/exports", empty["id"]);
    let answer = server.send("POST", &path, &json!({"format": "zip"}));
    assert_eq!(answer.status, 409, "{}", answer.text);
    assert!(answer.text.contains("no finished picture"), "{}", answer.text);
    for body in [json!({"format": "avi"}), json!({}), json!({"format": 7}), json!({"format": "zip", "more": 1})] {
        let answer = server.send("POST", &path, &body);
        assert_eq!(answer.status, 422, "{body}: {}", answer.text);
        assert_eq!(answer.bad_fields().len(), 1, "{body}");
    }
    assert_eq!(server.send("POST", "/api/v1/projects/99/exports", &json!({"format": "zip"})).status, 404);
    for address in
        ["/api/v1/exports/7", "/api/v1/exports/7/file", "/api/v1/exports/x/file", "/api/v1/projects/99/exports"]
    {
        assert_eq!(server.get(address).status, 404, "{address}");
    }
}

#[test]
fn a_copy_of_a_frame_stands_behind_it_and_lives_by_itself() {
    let server = TestServer::start();
    let project = project_with(&server, 2);
    let frames = || server.get(&format!("/api/v1/projects/{}/frames", project["id"])).json();
    let before = frames();
    let answer = server.request("POST", &format!("/api/v1/frames/{}/duplicate", before[0]["id"]), &[], None);
    assert_eq!(answer.status, 201, "{}", answer.text);
    let copy = answer.json();
    assert_eq!((&copy["position"], &copy["etag"]), (&json!(1), &before[0]["etag"]));
    assert_ne!(copy["path"], before[0]["path"]);
    let order: Vec<_> = frames().as_array().expect("a list").iter().map(|frame| frame["id"].clone()).collect();
    assert_eq!(order, [before[0]["id"].clone(), copy["id"].clone(), before[1]["id"].clone()]);
    let picture = |path: &Value| server.bytes(path.as_str().expect("a path")).1;
    let original = picture(&before[0]["path"]);
    assert_eq!(server.request("DELETE", &format!("/api/v1/frames/{}", before[0]["id"]), &[], None).status, 204);
    assert_eq!(picture(&copy["path"]), original);
    let takes = server.get(&format!("/api/v1/frames/{}/takes", copy["id"])).json();
    assert_eq!(
        (takes[0]["parameters"]["prompt"].as_str(), takes.as_array().map(Vec::len)),
        (Some("a red car"), Some(1))
    );
    assert_eq!(server.request("POST", "/api/v1/frames/99/duplicate", &[], None).status, 404);
}
