//! Thumbnails of pictures.

use crate::support::TestServer;
use image::{ImageFormat, RgbImage};
use serde_json::json;
use test_pictures::{file, pattern};

fn jpeg(bytes: &[u8]) -> RgbImage {
    image::load_from_memory_with_format(bytes, ImageFormat::Jpeg).expect("a JPEG").into_rgb8()
}

#[test]
fn a_picture_has_thumbnails_that_browsers_may_keep() {
    let server = TestServer::start();
    let project = server.create("Thumbnails");
    let path = format!("/api/v1/projects/{}/frames", project["id"]);
    let added = server.request("POST", &path, &[], Some(&file(pattern(1024, 512), ImageFormat::Png)));
    assert_eq!(added.status, 201, "{}", added.text);
    let frame = added.json();
    let (picture, etag) = (frame["path"].as_str().expect("a path"), frame["etag"].as_str().expect("a tag"));
    let stem = picture.strip_suffix(".png").expect("a PNG");

    for (side, size) in [(160, (160, 80)), (320, (320, 160)), (640, (640, 320))] {
        let (answer, bytes) = server.bytes(&format!("{stem}/{side}.jpg?v={etag}"));
        assert_eq!((answer.status, answer.header("content-type")), (200, "image/jpeg"));
        assert_eq!(jpeg(&bytes).dimensions(), size);
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        let tag = answer.header("etag").to_owned();
        let again = server.request("GET", &format!("{stem}/{side}.jpg"), &[("if-none-match", &tag)], None);
        assert_eq!((again.status, again.header("cache-control")), (304, "no-cache"));
        // The picture's own tag names other bytes.
        let other =
            server.request("GET", &format!("{stem}/{side}.jpg"), &[("if-none-match", &format!("\"{etag}\""))], None);
        assert_eq!(other.status, 200);
    }
    // Its colours are the picture's.
    let (_, bytes) = server.bytes(&format!("{stem}/640.jpg"));
    let small = image::imageops::resize(&pattern(1024, 512), 640, 320, image::imageops::FilterType::Triangle);
    let distance: u64 = jpeg(&bytes).iter().zip(small.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    assert!(distance / (640 * 320 * 3) < 16, "mean difference {}", distance as f64 / (640.0 * 320.0 * 3.0));

    for unknown in [
        format!("{stem}/100.jpg"),
        format!("{stem}/320.png"),
        format!("{stem}/0320.jpg"),
        "/media/none/320.jpg".to_owned(),
        format!("/media/..%2f{}/320.jpg", stem.trim_start_matches("/media/")),
        format!("/media/{}/320.jpg", "0".repeat(32)),
    ] {
        let answer = server.get(&unknown);
        assert_eq!(answer.status, 404, "{unknown}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
}

#[test]
fn a_thumbnail_of_a_preview_is_not_kept() {
    let server = TestServer::start();
    let project = server.create("Forming");
    let body = json!({ "prompt": "a red car", "steps": 40 });
    let made = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &body);
    assert_eq!(made.status, 202, "{}", made.text);
    let task = made.json()["tasks"][0].clone();
    let stem = task["preview_path"].as_str().and_then(|path| path.strip_suffix(".png")).expect("a PNG").to_owned();
    let (first, bytes) = server.bytes(&format!("{stem}/160.jpg"));
    assert_eq!((first.status, first.header("cache-control")), (200, "no-cache"));
    assert!(jpeg(&bytes).width() <= 160);
    server.wait_for_task(&task["task_id"], "completed");
    let (last, _) = server.bytes(&format!("{stem}/160.jpg"));
    assert_ne!(last.header("etag"), first.header("etag"), "of the finished picture");
}
