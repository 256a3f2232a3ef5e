//! Imported and blank pictures as frames of a timeline.

use crate::support::{Answer, Events, TestServer};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};
#[cfg(target_os = "linux")]
use std::{
    io::{Read, Write},
    net::TcpStream,
};
use test_pictures::{file, pattern};

fn import(server: &TestServer, project: &Value, query: &str, file: &[u8]) -> Answer {
    let path = format!("/api/v1/projects/{}/frames{query}", project["id"]);
    server.request("POST", &path, &[], Some(file))
}

fn imported(server: &TestServer, project: &Value, query: &str, file: &[u8]) -> Value {
    let answer = import(server, project, query, file);
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

/// Downloads a frame's picture and checks its ETag against the frame.
fn shown(server: &TestServer, frame: &Value) -> RgbImage {
    let (answer, png) = server.bytes(frame["path"].as_str().expect("a path"));
    assert_eq!(answer.header("etag"), format!("\"{}\"", frame["etag"].as_str().expect("a tag")));
    image::load_from_memory_with_format(&png, ImageFormat::Png).expect("a whole PNG").into_rgb8()
}

fn frames(server: &TestServer, project: &Value) -> Value {
    server.get(&format!("/api/v1/projects/{}/frames", project["id"])).json()
}

fn ids(frames: &Value) -> Vec<Value> {
    frames.as_array().expect("a list").iter().map(|frame| frame["id"].clone()).collect()
}

fn only_take(server: &TestServer, frame: &Value) -> Value {
    let takes = server.get(&format!("/api/v1/frames/{}/takes", frame["id"])).json();
    assert_eq!(takes.as_array().map(Vec::len), Some(1), "{takes}");
    takes[0].clone()
}

/// Number of files in the media folder, without its identity file.
fn files(server: &TestServer) -> usize {
    let entries = fs::read_dir(server.data_dir().join("media")).expect("the folder");
    entries.filter(|entry| entry.as_ref().expect("an entry").file_name() != ".media.id").count()
}

fn generate(server: &TestServer, project: &Value, asked: &Value) -> Value {
    let answer = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), asked);
    assert_eq!(answer.status, 202, "{}", answer.text);
    let task = answer.json()["tasks"][0].clone();
    server.wait_for_task(&task["task_id"], "completed");
    task
}

#[test]
fn a_picture_of_each_format_becomes_a_frame() {
    let server = TestServer::start();
    let project = server.create("Imports");
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let frame = imported(&server, &project, "", &file(pattern(72, 64), format));
        assert_eq!(shown(&server, &frame), pattern(72, 64), "{format:?} keeps every pixel");
        assert_eq!((&frame["width"], &frame["height"], &frame["status"]), (&json!(72), &json!(64), &json!("ready")));
    }
    let jpeg =
        imported(&server, &project, "", &file(RgbImage::from_pixel(96, 64, Rgb([200, 30, 30])), ImageFormat::Jpeg));
    let pixel = shown(&server, &jpeg).get_pixel(48, 32).0;
    assert!(pixel[0] > 180 && pixel[1] < 60 && pixel[2] < 60, "{pixel:?} is red");
    let odd = imported(&server, &project, "", &file(pattern(75, 71), ImageFormat::Png));
    let inner = DynamicImage::ImageRgb8(pattern(75, 71)).crop_imm(1, 3, 72, 64).into_rgb8();
    assert_eq!(shown(&server, &odd), inner, "trimmed evenly");
    let large = imported(&server, &project, "", &file(RgbImage::new(2600, 1300), ImageFormat::Png));
    assert_eq!(shown(&server, &large).dimensions(), (2048, 1024));
    let blank = imported(&server, &project, "", b"");
    assert_eq!(shown(&server, &blank), RgbImage::from_pixel(1024, 576, Rgb([255; 3])), "of the project's size");

    let listed = frames(&server, &project);
    assert_eq!((listed.as_array().map(Vec::len), &listed[5], files(&server)), (Some(6), &blank, 6));
    for frame in listed.as_array().expect("a list") {
        let take = only_take(&server, frame);
        assert_eq!((&take["selected"], &take["status"], &take["seed"]), (&json!(true), &json!("completed"), &json!(0)));
        let of = &take["parameters"];
        assert_eq!((&of["model"], &of["prompt"]), (&json!("imported"), &json!("")));
        assert_eq!((&of["width"], &of["height"]), (&frame["width"], &frame["height"]));
        let task = server.get(&format!("/api/v1/tasks/{}", frame["task_id"])).json();
        assert_eq!((&task["status"], &task["step"]), (&json!("completed"), &task["total_steps"]));
        assert_eq!(server.send("POST", &format!("/api/v1/tasks/{}/retry", frame["task_id"]), &json!({})).status, 409);
    }
    assert_eq!(files(&server), 6, "what cannot be tried again leaves nothing");
    assert_eq!(server.get("/api/v1/projects").json()[0]["cover"], blank["path"]);
}

#[test]
fn it_is_inserted_where_asked_and_every_move_is_published() {
    let server = TestServer::start();
    let project = server.create("Places");
    let picture = file(pattern(64, 64), ImageFormat::Png);
    let a = imported(&server, &project, "", &picture)["id"].clone();
    let b = imported(&server, &project, "?position=", &picture)["id"].clone();
    let c = imported(&server, &project, "?position=4294967295", &picture)["id"].clone();
    let mut events = Events::connect(&server, "");
    let between = imported(&server, &project, "?position=1", b"");
    let d = between["id"].clone();
    assert_eq!(between["position"], 1);
    assert_eq!(ids(&frames(&server, &project)), [a, d.clone(), b.clone(), c.clone()]);
    let received: Vec<_> = events
        .drain(Duration::from_millis(500))
        .iter()
        .map(|event| (event["type"].clone(), event["data"]["id"].clone(), event["data"]["position"].clone()))
        .collect();
    let expected = [
        (json!("frame_created"), d, json!(1)),
        (json!("frame_updated"), b, json!(2)),
        (json!("frame_updated"), c, json!(3)),
    ];
    assert_eq!(received, expected);
}

#[test]
fn what_cannot_be_imported_is_refused_and_leaves_nothing() {
    let server = TestServer::start();
    let project = server.create("Refused");
    let mut events = Events::connect(&server, "");
    let png = file(pattern(64, 64), ImageFormat::Png);
    let wide = png_info::encode(&vec![255; 3 * 20_000 * 8], 20_000, 8, None).expect("a PNG");
    let narrow = file(RgbImage::new(2000, 40), ImageFormat::Png);
    let cases: [(&[u8], &str); 6] = [
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "is no PNG, JPEG or WebP picture"),
        (b"a red car", "is no PNG, JPEG or WebP picture"),
        (&png[..png.len() / 2], "is a broken picture"),
        (b"\xff\xd8\xff\xe0", "is a broken picture"),
        (&wide, "at most 16384 pixels a side"),
        (&narrow, "at most 32 times as wide"),
    ];
    for (file, why) in cases {
        let answer = import(&server, &project, "", file);
        assert_eq!((answer.status, answer.bad_fields()), (422, vec!["body".to_owned()]), "{why}: {}", answer.text);
        assert!(answer.text.contains(why), "{} does not say {why}", answer.text);
    }
    for position in ["-1", "first", "1.5", "4294967296", "%00"] {
        let answer = import(&server, &project, &format!("?position={position}"), &png);
        assert_eq!((answer.status, answer.bad_fields()), (422, vec!["position".to_owned()]), "{position}");
    }
    // A file of no bytes is not a request for a blank picture.
    let path = format!("/api/v1/projects/{}/frames", project["id"]);
    let empty = server.request("POST", &path, &[("content-type", "image/png")], Some(b""));
    assert_eq!((empty.status, empty.bad_fields()), (422, vec!["body".to_owned()]), "{}", empty.text);
    for nowhere in ["/api/v1/projects/99/frames", "/api/v1/projects/x/frames"] {
        assert_eq!(server.request("POST", nowhere, &[], Some(&png)).status, 404, "{nowhere}");
    }
    let deleted = server.create("Deleted");
    let of_deleted = format!("/api/v1/projects/{}", deleted["id"]);
    assert_eq!(server.request("DELETE", &of_deleted, &[], None).status, 204);
    assert_eq!(server.request("POST", &format!("{of_deleted}/frames"), &[], Some(&png)).status, 404);
    let huge = import(&server, &project, "", &vec![0; 64 * 1024 * 1024 + 1]);
    assert_eq!((huge.status, huge.header("content-type")), (413, "application/problem+json"), "{}", huge.text);
    let other_verb = server.request("PUT", &format!("/api/v1/projects/{}/frames", project["id"]), &[], Some(&png));
    assert_eq!((other_verb.status, other_verb.header("content-type")), (405, "application/problem+json"));

    assert_eq!((frames(&server, &project), server.get("/api/v1/tasks").json()), (json!([]), json!([])));
    assert_eq!(files(&server), 0);
    let received = events.drain(Duration::from_millis(300));
    assert!(received.iter().all(|event| event["type"] != "frame_created"), "{received:?}");
    imported(&server, &project, "", &png);
}

#[test]
fn a_picture_that_emberline_made_is_known_again() {
    let server = TestServer::start();
    let project = server.create("Again");
    let asked =
        json!({"prompt": "a red car", "negative_prompt": "rain", "seed": 7, "steps": 2, "width": 64, "height": 64});
    let made = generate(&server, &project, &asked);
    let png = server.bytes(made["preview_path"].as_str().expect("a path")).1;
    let frame = imported(&server, &project, "", &png);
    let (was, is) = (only_take(&server, &frames(&server, &project)[0]), only_take(&server, &frame));
    for field in ["prompt", "negative_prompt", "steps", "cfg_scale", "sampler", "scheduler", "model", "width", "height"]
    {
        assert_eq!(is["parameters"][field], was["parameters"][field], "{field}");
    }
    assert_eq!((&is["seed"], &is["finished_step"]), (&json!(7), &json!(2)));
    let copy = server.bytes(frame["path"].as_str().expect("a path")).1;
    assert_eq!(png_info::read(&copy).expect("a PNG"), png_info::read(&png).expect("a PNG"));
    let pixels = |png: &[u8]| image::load_from_memory(png).expect("a picture").to_rgb8();
    assert_eq!(pixels(&copy), pixels(&png));
}

#[test]
fn an_imported_take_is_a_take_like_every_other() {
    let server = TestServer::start();
    let project = server.create("Mixed");
    let frame = imported(&server, &project, "", &file(pattern(128, 128), ImageFormat::Png));
    // Used as an initial picture: for a new frame at its own size, and for another take of its frame at a different
    // size.
    let mut asked = json!({"prompt": "a red car", "steps": 2, "seed": 1, "width": 128, "height": 128});
    (asked["init_take_id"], asked["strength"]) = (frame["take_id"].clone(), json!(0.6));
    let same_size = generate(&server, &project, &asked);
    asked["frame_id"] = frame["id"].clone();
    (asked["width"], asked["height"]) = (json!(64), json!(128));
    let beside = generate(&server, &project, &asked);
    let now = frames(&server, &project);
    assert_eq!((&now[0]["take_id"], &now[1]["take_id"]), (&beside["take_id"], &same_size["take_id"]));
    // Selected again, duplicated and exported, then deleted.
    let path = format!("/api/v1/frames/{}", frame["id"]);
    let chosen = server.send("PATCH", &path, &json!({"take_id": frame["take_id"], "duration": 3}));
    assert_eq!((chosen.status, &chosen.json()["etag"]), (200, &frame["etag"]));
    let copy = server.request("POST", &format!("{path}/duplicate"), &[], None);
    assert_eq!((copy.status, &copy.json()["etag"]), (201, &frame["etag"]));
    imported(&server, &project, "", b"");
    let export = server.send("POST", &format!("/api/v1/projects/{}/exports", project["id"]), &json!({"format": "zip"}));
    assert_eq!(export.status, 202, "{}", export.text);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let export = server.get(&format!("/api/v1/exports/{}", export.json()["id"])).json();
        if export["status"] == "completed" {
            assert_eq!((&export["done"], &export["skipped"]), (&json!(4), &json!(0)));
            break;
        }
        assert!(Instant::now() < deadline && export["status"] != "failed", "{export}");
        thread::sleep(Duration::from_millis(20));
    }
    let before = files(&server);
    let delete = |id: &Value| server.request("DELETE", &format!("/api/v1/takes/{id}"), &[], None).status;
    assert_eq!((delete(&frame["take_id"]), files(&server)), (204, before), "it can be restored");
    assert_eq!(delete(&copy.json()["take_id"]), 409, "its only picture");
}

#[test]
fn it_is_still_there_after_a_crash() {
    let server = TestServer::start();
    let project = server.create("Kept");
    imported(&server, &project, "", &file(pattern(64, 72), ImageFormat::WebP));
    imported(&server, &project, "?position=0", b"");
    let before = (frames(&server, &project), server.get("/api/v1/tasks").json());
    let server = TestServer::start_in(server.kill(), &[]);
    assert_eq!((frames(&server, &project), server.get("/api/v1/tasks").json()), before);
    assert_eq!(shown(&server, &before.0[1]), pattern(64, 72));
    assert_eq!(shown(&server, &before.0[0]).dimensions(), (1024, 576));
    assert_eq!((files(&server), server.get("/api/v1/queue").json()["tasks"].clone()), (2, json!([])));
}

/// A fixture of the crate `picture_file`.
fn foreign(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/picture_file/tests/fixtures");
    fs::read(folder.join(name)).expect(name)
}

#[test]
fn colours_are_converted_and_what_is_not_shown_is_said() {
    let server = TestServer::start();
    let project = server.create("Colours");
    for name in ["adobe_rgb.png", "adobe_rgb.webp"] {
        let frame = imported(&server, &project, "", &foreign(name));
        assert_eq!(shown(&server, &frame).get_pixel(4, 4).0, [0, 201, 37], "{name}");
        assert_eq!(frame.get("warnings"), None, "{name}");
    }
    for name in ["moving.png", "moving.webp"] {
        let frame = imported(&server, &project, "", &foreign(name));
        let expected =
            json!([{"field": "body", "message": "the file is an animation; only its first picture is used"}]);
        assert_eq!(frame["warnings"], expected, "{name}");
    }
    let jpeg = foreign("baseline.jpg");
    let before = files(&server);
    for tenth in 1..10 {
        let answer = import(&server, &project, "", &jpeg[..jpeg.len() * tenth / 10]);
        assert_eq!((answer.status, answer.bad_fields()), (422, vec!["body".to_owned()]), "{tenth} tenths");
        assert!(answer.text.contains("is a broken picture"), "{}", answer.text);
    }
    assert_eq!(files(&server), before);
}

/// Resident memory of the server, bytes.
#[cfg(target_os = "linux")]
fn memory(server: &TestServer) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("the process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
}

/// Sends as much of an upload as the server accepts. Returns the connection and the number of body bytes sent.
#[cfg(target_os = "linux")]
fn begun(server: &TestServer, project: &Value, body: &[u8]) -> (TcpStream, usize) {
    let address = server.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("connects");
    let head = format!(
        "POST /api/v1/projects/{}/frames HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        project["id"],
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("taken");
    stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let mut sent = 0;
    // Never sends the last byte, so that no upload completes.
    while sent < body.len() - 1 {
        match stream.write(&body[sent..body.len() - 1]) {
            Ok(bytes) => sent += bytes,
            Err(_) => break,
        }
    }
    (stream, sent)
}

#[test]
#[cfg(target_os = "linux")]
fn uploads_wait_for_their_turn_outside_and_give_their_memory_back() {
    const EACH: usize = 40 << 20;
    let server = TestServer::start();
    let project = server.create("Flood");
    // The first import allocates memory that is kept; it must not count as part of the flood.
    imported(&server, &project, "", &file(pattern(512, 512), ImageFormat::Png));
    let rest = memory(&server);
    let body = vec![b'x'; EACH];
    let waiting: Vec<_> = (0..10).map(|_| begun(&server, &project, &body)).collect();
    let taken = memory(&server).saturating_sub(rest);
    assert!(taken < 200 << 20, "{} MB for bodies that wait", taken >> 20);
    // Small requests are still answered.
    assert_eq!(server.get("/health/ready").status, 200);
    let answers: Vec<_> = waiting
        .into_iter()
        .map(|(mut stream, sent)| {
            let rest = body[sent..].to_vec();
            thread::spawn(move || {
                stream.set_write_timeout(None).expect("no timeout");
                stream.write_all(&rest).expect("taken");
                let mut answer = String::new();
                stream.read_to_string(&mut answer).expect("answered");
                answer
            })
        })
        .collect();
    for answer in answers {
        let answer = answer.join().expect("no panic");
        assert!(answer.starts_with("HTTP/1.1 422") && answer.contains("is no PNG, JPEG or WebP picture"), "{answer}");
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while memory(&server) > 2 * rest {
        assert!(Instant::now() < deadline, "{} MB after the flood, {} before", memory(&server) >> 20, rest >> 20);
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn bodies_that_trickle_hold_up_nobody_for_long() {
    let server = TestServer::start();
    let project = server.create("Trickle");
    let address = server.url.trim_start_matches("http://");
    // Two uploads of the maximum size reserve all memory for uploads.
    let mut slow: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = TcpStream::connect(address).expect("connects");
            let head = format!(
                "POST /api/v1/projects/{}/frames HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n",
                project["id"],
                64 << 20
            );
            stream.write_all(head.as_bytes()).expect("taken");
            stream
        })
        .collect();
    thread::sleep(Duration::from_millis(300));
    let small = file(pattern(64, 64), ImageFormat::Png);
    let began = Instant::now();
    thread::scope(|scope| {
        let sent = scope.spawn(|| imported(&server, &project, "", &small));
        while !sent.is_finished() && began.elapsed() < Duration::from_secs(40) {
            // Write errors are ignored: the status is checked below.
            slow.iter_mut().for_each(|stream| _ = stream.write_all(b"x"));
            thread::sleep(Duration::from_millis(200));
        }
        sent.join().expect("no panic");
    });
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    let received = slow.iter_mut().any(|stream| {
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).is_ok_and(|()| &answer == b"HTTP/1.1 408")
    });
    assert!(received, "408 for one of them");
}

#[test]
fn small_pictures_do_not_wait_for_the_largest() {
    let server = TestServer::start();
    let project = server.create("Large and small");
    // 100 megapixels, compressed to some kilobytes.
    let large = {
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, 10_000, 10_000);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::Fast);
        encoder.write_header().expect("written").write_image_data(&vec![0; 300_000_000]).expect("written");
        png
    };
    let small = file(pattern(64, 64), ImageFormat::Png);
    thread::scope(|scope| {
        let large = scope.spawn(|| {
            let frame = imported(&server, &project, "", &large);
            (frame, Instant::now())
        });
        // Time for the server to start reading the large picture.
        thread::sleep(Duration::from_millis(200));
        imported(&server, &project, "", &small);
        let small_done = Instant::now();
        let (frame, large_done) = large.join().expect("no panic");
        assert_eq!(shown(&server, &frame).dimensions(), (2048, 2048));
        assert!(small_done < large_done, "the small one waited for the large one");
    });
}
