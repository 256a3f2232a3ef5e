//! `emberline upscale`, with the network inside the program and with files.

use crate::support::emberline;
use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new("../crates/upscale/tests/fixtures").join(name)
}

struct Folder(TempDir);

impl Folder {
    /// With a picture of 40 x 24 pixels, `in.png`: a red disc on white.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        let is_inside = |x: u32, y: u32| (x as f32 - 20.0).hypot(y as f32 - 12.0) < 8.0;
        let disc = RgbImage::from_fn(40, 24, |x, y| if is_inside(x, y) { Rgb([220, 30, 40]) } else { Rgb([255; 3]) });
        disc.save(folder.path("in.png")).expect("a picture");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn upscale(&self, more: &[&str]) -> Output {
        let mut command = emberline();
        command.arg("upscale").args([self.path("in.png"), self.path("out.png")]).args(["--device", "cpu"]).args(more);
        command.output().expect("the binary starts")
    }

    fn report(&self, more: &[&str]) -> Value {
        let output = self.upscale(&[more, &["--json"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn result(&self) -> RgbImage {
        image::open(self.path("out.png")).expect("a picture").into_rgb8()
    }

    /// The message of a run that fails in one line and leaves no file.
    fn refused(&self, more: &[&str]) -> String {
        let output = self.upscale(more);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        let left = fs::read_dir(self.0.path()).expect("a folder").count();
        assert!(!self.path("out.png").exists() && left <= 2, "{text}");
        text
    }
}

#[test]
fn the_network_inside_enlarges_a_picture_four_times_and_keeps_its_shape() {
    let folder = Folder::new();
    let report = folder.report(&[]);
    let size = json!([report["network"], report["model"], report["scale"], report["width"], report["height"]]);
    assert_eq!(size, json!(["Compact", "realesr-animevideov3", 4, 160, 96]));
    let large = folder.result();
    assert_eq!(large.dimensions(), (160, 96));
    // Reduced again it is the picture, and its edge is sharper than that of Lanczos.
    let small = image::open(folder.path("in.png")).expect("a picture").into_rgb8();
    let again = image::imageops::resize(&large, 40, 24, image::imageops::FilterType::Triangle);
    let mean = |a: &RgbImage, b: &RgbImage| {
        a.iter().zip(b.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
    };
    assert!(mean(&again, &small) < 4.0, "{}", mean(&again, &small));
    let steepest = |picture: &RgbImage| {
        (1..160).map(|x| picture.get_pixel(x, 48)[1].abs_diff(picture.get_pixel(x - 1, 48)[1])).max()
    };
    let lanczos = image::imageops::resize(&small, 160, 96, image::imageops::FilterType::Lanczos3);
    assert!(steepest(&large) > steepest(&lanczos), "{:?} and {:?}", steepest(&large), steepest(&lanczos));
}

#[test]
fn a_factor_is_reached_and_a_file_of_pytorch_is_read() {
    let folder = Folder::new();
    assert_eq!(folder.report(&["--scale", "2"])["width"], 80);
    assert_eq!(folder.result().dimensions(), (80, 48));
    let model = fixture("compact-2x.pth").display().to_string();
    let report = folder.report(&["--model", &model]);
    assert_eq!(json!([report["network"], report["scale"], report["width"]]), json!(["Compact", 2, 80]));
    let report = folder.report(&["--model", &model, "--scale", "4"]);
    assert_eq!((&report["width"], folder.result().dimensions()), (&json!(160), (160, 96)));
}

#[test]
fn the_record_of_a_picture_is_kept() {
    let folder = Folder::new();
    let mut generate = emberline();
    generate.args(["generate", "--prompt", "a red car", "--seed", "1", "--steps", "1", "--device", "cpu", "--out"]);
    assert!(generate.arg(folder.path("in.png")).status().expect("it starts").success());
    folder.report(&[]);
    let record = |name: &str| {
        let bytes = fs::read(folder.path(name)).expect("a file");
        png_info::read(&bytes).expect("a picture").parameters.expect("a record")
    };
    assert_eq!(record("out.png"), record("in.png"));
}

#[test]
fn what_cannot_be_used_is_refused_with_the_reason() {
    let folder = Folder::new();
    let model = |name: &str, bytes: &[u8]| {
        let path = folder.0.path().with_extension(name);
        fs::write(&path, bytes).expect("a file");
        path.display().to_string()
    };
    let old = fixture("compact-2x-old.pth").display().to_string();
    assert!(folder.refused(&["--model", &old]).contains("in the older format"));
    let pickle = [&b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R."[..]].concat();
    let archive = |pickle: &[u8]| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file(
            "archive/data.pkl",
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored),
        )
        .expect("a file");
        std::io::Write::write_all(&mut zip, pickle).expect("written");
        zip.finish().expect("an archive").into_inner()
    };
    let code = model("pth", &archive(&pickle));
    let text = folder.refused(&["--model", &code]);
    assert!(text.contains("its pickle refers to os.system") && text.contains("is not read"), "{text}");
    let picture = model("png", &fs::read(folder.path("in.png")).expect("a file"));
    assert!(folder.refused(&["--model", &picture]).contains("a picture"));
    let tiny = "../crates/sdxl/tests/fixtures/tiny/diffusers/vae/diffusion_pytorch_model.safetensors";
    assert!(folder.refused(&["--model", tiny]).contains("is not an upscaler that can be used"));
    fs::write(folder.path("in.png"), b"GIF89a").expect("a file");
    assert!(folder.refused(&[]).contains("is no PNG, JPEG or WebP picture"));
    let bad = folder.upscale(&["--scale", "9"]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("--scale"));
}

#[test]
fn inspect_describes_an_upscaler() {
    let inspect = |name: &str| {
        let output = emberline().arg("inspect").arg(fixture(name)).output().expect("the binary starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let text = inspect("compact-2x.pth");
    assert!(text.contains("network     Compact") && text.contains("factor      2"), "{text}");
}
