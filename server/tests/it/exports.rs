//! Exports of sequences, and duplicated frames.

use crate::support::TestServer;
use image::{AnimationDecoder, Frame, RgbaImage, codecs::webp::WebPDecoder};
use serde_json::{Value, json};
use std::{
    io::Cursor,
    thread,
    time::{Duration, Instant},
};

/// A project with `frames` finished frames.
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
    completed(server, project, &json!({"format": format}))
}

fn completed(server: &TestServer, project: &Value, body: &Value) -> Value {
    let path = format!("/api/v1/projects/{}/exports", project["id"]);
    let answer = server.send("POST", &path, body);
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
    // The frames remain. The next start empties the exports folder.
    let server = TestServer::start_in(server.stop().2, &[]);
    assert_eq!(std::fs::read_dir(server.data_dir().join("exports")).expect("the folder").count(), 0);
    assert_eq!(server.get(&format!("/api/v1/projects/{}/exports", project["id"])).json(), json!([]));
}

#[test]
fn what_cannot_be_exported_is_refused_with_the_reason() {
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

/// Waits until an export has failed and returns its message.
fn failed(server: &TestServer, project: &Value, format: &str) -> String {
    let path = format!("/api/v1/projects/{}/exports", project["id"]);
    let id = server.send("POST", &path, &json!({"format": format})).json()["id"].clone();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let export = server.get(&format!("/api/v1/exports/{id}")).json();
        match export["status"].as_str() {
            Some("queued" | "running") => assert!(Instant::now() < deadline, "{export}"),
            Some("failed") => return export["error"].as_str().expect("a reason").to_owned(),
            _ => panic!("{export}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_damaged_picture_and_a_pipe_are_named_with_their_frames() {
    let server = TestServer::start();
    let project = project_with(&server, 3);
    let frames = server.get(&format!("/api/v1/projects/{}/frames", project["id"])).json();
    let file = |place: usize| {
        let path = frames[place]["path"].as_str().expect("a path");
        let name = path.trim_start_matches("/media/").split('?').next().expect("a name");
        server.data_dir().join("media").join(name)
    };
    let whole = std::fs::read(file(1)).expect("a picture");
    std::fs::write(file(1), &whole[..whole.len() / 2]).expect("cut");
    for format in ["gif", "apng", "webp"] {
        let error = failed(&server, &project, format);
        let named = format!("frame 2 (id {}): its picture cannot be read: ", frames[1]["id"]);
        assert!(error.starts_with(&named) && !error.contains("frame 1 "), "{format}: {error}");
    }
    std::fs::write(file(1), whole).expect("restored");
    // Opening a pipe would block until a program writes to it.
    std::fs::remove_file(file(2)).expect("removed");
    assert!(std::process::Command::new("mkfifo").arg(file(2)).status().expect("mkfifo").success());
    for format in ["zip", "gif", "apng", "webp"] {
        let error = failed(&server, &project, format);
        let named = format!("frame 3 (id {}): its picture cannot be read: is not a regular file", frames[2]["id"]);
        assert!(error.starts_with(&named), "{format}: {error}");
    }
}

#[test]
fn a_copy_of_a_frame_follows_it_and_is_independent() {
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

/// Folder with a fake `ffmpeg`: it records its environment and process id, reads its input, and runs for at least a
/// minute.
#[cfg(unix)]
fn slow_ffmpeg() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let script = "#!/bin/sh\n[ \"$1\" = -version ] && exit 0\nfolder=$(dirname \"$0\")\nenv > \"$folder/environment\"\n\
                  for out in \"$@\"; do :; done\ncat > \"$out\"\necho $$ > \"$folder/pid\"\nexec sleep 60\n";
    let path = folder.path().join("ffmpeg");
    std::fs::write(&path, script).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    folder
}

#[cfg(unix)]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
#[cfg(unix)]
fn a_deleted_export_ends_its_encoder_at_once_and_the_encoder_knows_no_secret() {
    let bin = slow_ffmpeg();
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").expect("a PATH"));
    let (token, password) = ("0123456789abcdef-token", "a password of some length");
    let secrets =
        [("EMBERLINE_TOKEN", token), ("EMBERLINE_PASSWORD", password), ("PATH", path.as_str()), ("OTHER", "no")];
    let server = TestServer::start_as(tempfile::tempdir().expect("a folder"), &[], &secrets);
    let bearer = format!("Bearer {token}");
    let ask = |method: &str, path: &str, body: Option<&Value>| {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let text = body.map(ToString::to_string);
        server.request(method, path, &headers, text.as_ref().map(String::as_bytes))
    };
    let new = json!({"name": "Secret", "width": 64, "height": 64, "fps": 12});
    let project = ask("POST", "/api/v1/projects", Some(&new)).json();
    assert_eq!(ask("POST", &format!("/api/v1/projects/{}/frames", project["id"]), None).status, 201);
    let exports = format!("/api/v1/projects/{}/exports", project["id"]);
    let begin = || ask("POST", &exports, Some(&json!({"format": "mp4"})));

    let export = begin();
    assert_eq!(export.status, 202, "{}", export.text);
    let pid_file = bin.path().join("pid");
    wait_until("the encoder has its input", || std::fs::read_to_string(&pid_file).is_ok_and(|pid| pid.ends_with('\n')));
    let environment = std::fs::read_to_string(bin.path().join("environment")).expect("written");
    assert!(environment.lines().any(|line| line.starts_with("PATH=")), "{environment}");
    for secret in ["EMBERLINE", token, password, "OTHER"] {
        assert!(!environment.contains(secret), "{secret}: {environment}");
    }

    // One export runs and does not end, three wait, and the next is refused.
    for _ in 0..3 {
        assert_eq!(begin().status, 202);
    }
    let refused = begin();
    assert_eq!((refused.status, refused.header("retry-after")), (429, "5"), "{}", refused.text);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert!(refused.text.contains("4 exports of this project wait or run"), "{}", refused.text);

    let folder = server.data_dir().join("exports");
    let count = || std::fs::read_dir(&folder).expect("the folder").count();
    assert_eq!(count(), 1, "the unfinished file");
    for waiting in ask("GET", &exports, None).json().as_array().expect("a list") {
        assert_eq!(ask("DELETE", &format!("/api/v1/exports/{}", waiting["id"]), None).status, 204);
    }
    assert_eq!(count(), 0, "at once");
    let pid = std::fs::read_to_string(&pid_file).expect("written").trim().to_owned();
    let is_there =
        || std::process::Command::new("kill").args(["-0", &pid]).output().is_ok_and(|output| output.status.success());
    wait_until("the encoder has ended", || !is_there());
    assert_eq!((count(), begin().status), (0, 202), "there is room again");
}

/// The pictures of a WebP with their times in milliseconds.
fn webp(bytes: &[u8]) -> Vec<(RgbaImage, u32)> {
    let frames = WebPDecoder::new(Cursor::new(bytes)).expect("a WebP").into_frames();
    let one = |frame: Frame| {
        let (numerator, denominator) = frame.delay().numer_denom_ms();
        (frame.into_buffer(), numerator / denominator)
    };
    frames.map(|frame| one(frame.expect("whole"))).collect()
}

#[test]
fn how_a_take_formed_is_an_animation_of_the_chosen_length() {
    let server = TestServer::start();
    let project = server
        .send("POST", "/api/v1/projects", &json!({"name": "Forming", "width": 64, "height": 64, "fps": 12}))
        .json();
    let asked = json!({"prompt": "a red car", "seed": 3, "steps": 8, "width": 64, "height": 64});
    let task = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &asked).json()["tasks"]
        [0]
    .clone();
    server.wait_for_task(&task["task_id"], "completed");
    let take = &task["take_id"];
    let file = |formation: &Value, format: &str| {
        let export = completed(&server, &project, &json!({"format": format, "formation": formation}));
        assert_eq!(&export["take_id"], take);
        (server.bytes(export["path"].as_str().expect("a path")), export)
    };

    let ((answer, bytes), export) = file(&json!({"take_id": take, "seconds": 2.0}), "webp");
    assert!(answer.header("content-disposition").contains(&format!("Forming-take-{take}.webp")));
    assert_eq!((&export["done"], &export["total"]), (&json!(9), &json!(9)));
    let found = webp(&bytes);
    assert_eq!((found.len(), found.iter().map(|(_, ms)| ms).sum::<u32>()), (9, 2000));
    assert_eq!(found[8].1, 400, "the finished picture has a fifth of the time");
    assert!(found.iter().all(|(picture, _)| picture.dimensions() == (64, 64)));
    let finished =
        image::load_from_memory(&server.bytes(task["preview_path"].as_str().expect("a path")).1).expect("a PNG");
    assert_eq!(found[8].0, finished.to_rgba8(), "the last picture is the take's");
    // Each step is nearer to the finished picture than the first one, and the pictures are those of the steps.
    let distance = |picture: &RgbaImage| -> u64 {
        picture.iter().zip(finished.to_rgba8().iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum()
    };
    assert!(distance(&found[7].0) < distance(&found[0].0) / 2);

    let times = |easing: &str| {
        let ((_, bytes), _) = file(&json!({"take_id": take, "seconds": 4, "easing": easing}), "webp");
        webp(&bytes).into_iter().map(|(_, ms)| ms).collect::<Vec<_>>()
    };
    let (slow_start, slow_end) = (times("ease_in"), times("ease_out"));
    assert!(slow_start[0] > slow_start[7] && slow_end[0] < slow_end[7], "{slow_start:?} {slow_end:?}");
    for (format, magic) in [("gif", &b"GIF89a"[..]), ("apng", b"\x89PNG"), ("zip", b"PK")] {
        assert!(file(&json!({"take_id": take}), format).0.1.starts_with(magic), "{format}");
    }
}

#[test]
fn a_formation_that_cannot_be_exported_says_why() {
    let server = TestServer::start();
    let (project, other) = (project_with(&server, 1), server.create("Another"));
    let frames = server.get(&format!("/api/v1/projects/{}/frames", project["id"])).json();
    let take = &frames[0]["take_id"];
    let refused = |project: &Value, body: &Value| {
        let answer = server.send("POST", &format!("/api/v1/projects/{}/exports", project["id"]), body);
        (answer.status, answer.text)
    };
    let formation = |formation: Value| json!({"format": "gif", "formation": formation});
    let (status, text) = refused(&project, &formation(json!({"take_id": take, "seconds": 61})));
    assert!(status == 422 && text.contains("must be a number from 0.5 to 60, not 61"), "{status} {text}");
    let (status, text) = refused(&project, &formation(json!({"take_id": take, "easing": "bouncy"})));
    assert!(status == 422 && text.contains("must be one of linear, ease_in, ease_out, ease_in_out"), "{status} {text}");
    let (status, text) = refused(&other, &formation(json!({"take_id": take})));
    assert!(status == 422 && text.contains("is of another project"), "{status} {text}");
    assert_eq!(refused(&project, &formation(json!({"take_id": 999_999}))).0, 404);
    std::fs::remove_dir_all(server.data_dir().join("traces")).expect("removed");
    let (status, text) = refused(&project, &formation(json!({"take_id": take})));
    assert!(status == 409 && text.contains("has no trace"), "{status} {text}");
}
