//! `emberline generate` and `emberline inspect` on the tiny random SDXL of the tests.

use crate::support::{emberline, run};
use image::{DynamicImage, ImageEncoder, Rgb, RgbImage, Rgba, RgbaImage, codecs::png::PngEncoder};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new("../crates/sdxl/tests/fixtures").join(name)
}

/// Temporary folder of one test, and the command line of a small generation in it.
struct Workshop {
    folder: TempDir,
    model: PathBuf,
}

impl Workshop {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), model: fixture("tiny/diffusers") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = emberline();
        command.args(["generate", "--prompt", "a red car", "--seed", "1", "--device", "cpu", "--model"]);
        command.arg(&self.model).arg("--out").arg(self.path("out.png"));
        command.args(["--width", "64", "--height", "96", "--steps", "4", "--cfg-scale", "4"]);
        command.args(more);
        command
    }

    fn generate(&self, more: &[&str]) -> Output {
        let output = self.command(more).output().expect("the binary starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("a folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

#[test]
fn the_json_is_complete_and_alone_on_standard_output() {
    let shop = Workshop::new();
    let output = shop.generate(&["--json", "--sampler", "dpmpp_2m", "--scheduler", "karras"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let expected = json!({
        "model": fixture("tiny/diffusers"), "dtype": "f32", "width": 64, "height": 96, "steps": 4, "seed": 1,
        "sampler": "dpmpp_2m", "scheduler": "karras", "out": shop.path("out.png"),
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&report[name], value, "{name}");
    }
    let timings = &report["timings"];
    assert_eq!(timings["steps_s"].as_array().map(Vec::len), Some(4));
    for name in ["load_s", "text_encode_s", "decode_s", "total_s"] {
        assert!(timings[name].as_f64().is_some_and(|seconds| seconds > 0.0), "{name} in {timings}");
    }
    assert!(report["device"].is_string() && report["peak_rss_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20));
    assert_eq!(shop.files(), ["out.png"]);
}

#[test]
fn the_picture_carries_its_parameters() {
    let shop = Workshop::new();
    shop.generate(&["--negative-prompt", "fog", "--sampler", "euler_ancestral"]);
    let info = png_info::read(&fs::read(shop.path("out.png")).expect("written")).expect("a PNG");
    let parameters = info.parameters.expect("Emberline's own record");
    assert_eq!((parameters.prompt.as_str(), parameters.negative_prompt.as_str()), ("a red car", "fog"));
    assert_eq!((parameters.width, parameters.height, parameters.steps, parameters.seed), (64, 96, 4, 1));
    let a1111 = info.a1111.expect("A1111's text");
    assert!(a1111.contains("Sampler: Euler a") && a1111.contains("Seed: 1"), "{a1111}");
    let picture = image::open(shop.path("out.png")).expect("an image");
    assert_eq!((picture.width(), picture.height()), (64, 96));
}

#[test]
fn a_dump_has_every_number_and_its_noise_makes_the_picture_again() {
    let shop = Workshop::new();
    let dump = shop.text("dump.safetensors");
    shop.generate(&["--dump", &dump, "--negative-prompt", "fog"]);
    let bytes = fs::read(&dump).expect("written");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let shape = |name: &str| file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}")).shape().to_vec();
    assert_eq!(shape("sigmas"), [5]);
    assert_eq!((shape("initial_noise"), shape("latents")), (vec![1, 4, 12, 8], vec![1, 4, 12, 8]));
    assert_eq!(shape("image"), [96, 64, 3]);
    assert_eq!(shape("prompt_embeds"), shape("negative_prompt_embeds"));
    assert_eq!(shape("prompt_embeds")[..2], [1, 77]);
    assert_eq!(shape("pooled_prompt_embeds"), shape("negative_pooled_prompt_embeds"));

    let first = fs::read(shop.path("out.png")).expect("written");
    let pixels = |png: &[u8]| image::load_from_memory(png).expect("a picture").to_rgb8().into_raw();
    shop.generate(&["--negative-prompt", "fog", "--seed", "2"]);
    assert_ne!(pixels(&fs::read(shop.path("out.png")).expect("written")), pixels(&first), "another seed");
    shop.generate(&["--negative-prompt", "fog", "--seed", "2", "--latents", &dump]);
    assert_eq!(pixels(&fs::read(shop.path("out.png")).expect("written")), pixels(&first), "the same noise");
}

#[test]
fn each_step_leaves_a_preview() {
    let shop = Workshop::new();
    let folder = shop.text("previews");
    let taesd = fixture("tiny/taesd").display().to_string();
    for (method, side) in [("latent2rgb", 8), ("taesd", 64)] {
        shop.generate(&["--preview", method, "--preview-dir", &folder, "--taesd", &taesd]);
        for step in 1..=4 {
            let preview = image::open(shop.path("previews").join(format!("step_{step:04}.png"))).expect("a preview");
            assert_eq!(preview.width(), side, "{method}");
        }
    }
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 4);
}

#[test]
fn a_picture_can_be_started_from() {
    let shop = Workshop::new();
    let init = fixture("reference/init_image.png").display().to_string();
    shop.generate(&["--init-image", &init, "--strength", "0.5"]);
    let info = png_info::read(&fs::read(shop.path("out.png")).expect("written")).expect("a PNG");
    assert_eq!(info.parameters.and_then(|parameters| parameters.strength), Some(0.5));
}

#[test]
fn a_picture_to_start_from_is_taken_in_as_the_server_does() {
    let shop = Workshop::new();
    // A picture with EXIF rotation, the Adobe RGB colour space and transparent pixels, and the upright sRGB picture it
    // must be read as.
    let mut exif = b"II*\0\x08\0\0\0\x02\0".to_vec();
    exif.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0x69, 0x87, 4, 0, 1, 0, 0, 0, 38, 0, 0, 0, 0, 0, 0, 0]);
    exif.extend([1, 0, 0x01, 0xA0, 3, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    let lying = RgbaImage::from_fn(96, 64, |x, _| Rgba(if x < 48 { [0; 4] } else { [90, 200, 60, 255] }));
    let upright = RgbImage::from_fn(64, 96, |_, y| Rgb(if y < 48 { [255; 3] } else { [0, 201, 37] }));
    let mut png = Vec::new();
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_exif_metadata(exif).expect("taken");
    DynamicImage::ImageRgba8(lying).write_with_encoder(encoder).expect("written");
    fs::write(shop.path("lying.png"), png).expect("written");
    upright.save(shop.path("upright.png")).expect("saved");
    let made = |name: &str| {
        shop.generate(&["--init-image", &shop.text(name), "--strength", "0.3"]);
        image::open(shop.path("out.png")).expect("a picture").into_rgb8()
    };
    assert_eq!(made("lying.png"), made("upright.png"));

    // Content that is ignored is reported as a warning.
    let foreign = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/picture_file/tests/fixtures");
    let moving = foreign.join("moving.webp").display().to_string();
    let report: Value =
        serde_json::from_slice(&shop.generate(&["--init-image", &moving, "--json"]).stdout).expect("JSON");
    let expected =
        json!([{"field": "init_image", "message": "the file is an animation; only its first picture is used"}]);
    assert_eq!(report["warnings"], expected);

    // A truncated file is an error, not a partial picture.
    let jpeg = fs::read(foreign.join("baseline.jpg")).expect("the fixture");
    fs::write(shop.path("cut.jpg"), &jpeg[..jpeg.len() / 2]).expect("written");
    let output = shop.command(&["--init-image", &shop.text("cut.jpg")]).output().expect("the binary starts");
    let received = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{received}");
    assert!(
        received.contains("--init-image") && received.contains("it is a broken picture: the file is cut short"),
        "{received}"
    );
}

#[test]
#[cfg(unix)]
fn ctrl_c_stops_within_a_step_and_leaves_no_file() {
    let shop = Workshop::new();
    let (previews, dump) = (shop.path("previews"), shop.text("dump.safetensors"));
    let mut child = shop
        .command(&["--steps", "1000", "--dump", &dump, "--preview-dir", &previews.display().to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !previews.join("step_0002.png").exists() {
        assert!(Instant::now() < deadline, "no second step in 60 s");
        thread::sleep(Duration::from_millis(5));
    }
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(signalled.success());
    let status = child.wait().expect("ends");
    assert_eq!(status.code(), Some(1));
    assert!(shop.files().is_empty(), "left behind: {:?}", shop.files());
}

#[test]
fn bad_input_gets_one_line_and_leaves_no_file() {
    let shop = Workshop::new();
    fs::write(shop.path("text.safetensors"), "just words").expect("written");
    fs::create_dir(shop.path("empty")).expect("made");
    let before = shop.files();
    let (long, words, empty) = ("x".repeat(100_000), shop.text("text.safetensors"), shop.text("empty"));
    let nowhere = shop.text("nowhere/out.png");
    let taesd = fixture("tiny/taesd").display().to_string();
    // Arguments, exit status, and a part of the message that is unique to the error.
    let cases: &[(&[&str], i32, &str)] = &[
        (&["--width", "1001"], 2, "'1001' for '--width <N>': must be a multiple of 8 from 64 to 2048"),
        (&["--width", "0"], 2, "'0' for '--width <N>': must be a multiple of 8 from 64 to 2048"),
        (&["--height", "16384"], 2, "'16384' for '--height <N>': must be a multiple of 8 from 64 to 2048"),
        (&["--steps", "0"], 2, "'0' for '--steps <N>': 0 is not in 1..=1000"),
        (&["--steps", "10000"], 2, "'10000' for '--steps <N>': 10000 is not in 1..=1000"),
        (&["--cfg-scale", "30.5"], 2, "'30.5' for '--cfg-scale <X>': must be a number from 0 to 30"),
        (&["--cfg-scale", "nan"], 2, "'nan' for '--cfg-scale <X>': must be a number from 0 to 30"),
        (&["--strength", "1.5"], 2, "'1.5' for '--strength <X>': must be a number from 0 to 1"),
        (&["--seed", "9007199254740992"], 2, "9007199254740992 is not in 0..=9007199254740991"),
        (&["--sampler", "eulr"], 2, "euler_ancestral"),
        (&["--scheduler", "cosine"], 2, "karras"),
        (&["--device", "cuda"], 2, "auto, cpu, wgpu or wgpu:N"),
        (&["--dtype", "f8"], 2, "f32, f16 or bf16"),
        (&["--prompt", &long], 2, "must be at most 10000 characters long, not 100000"),
        (&["--out", &nowhere], 1, "does not exist"),
        (&["--out", &empty], 1, "is a folder"),
        (&["--dump", &nowhere], 1, "--dump"),
        (&["--model", &words], 1, "text.safetensors: is not a safetensors file (a text file)"),
        (&["--model", &empty], 1, "has no model_index.json"),
        (&["--model", "/no/such/model"], 1, "/no/such/model: No such file"),
        (&["--model", &taesd], 1, "taesd: has no model_index.json"),
        (&["--init-image", &words], 1, "--init-image"),
        (&["--latents", &words], 1, "--latents"),
        (&["--preview", "taesd", "--preview-dir", &empty], 1, "this model brings no TAESD"),
    ];
    for (arguments, status, word) in cases {
        let output = shop.command(arguments).output().expect("the binary starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*status), "{arguments:?}: {error}");
        let received: Vec<_> = error.lines().filter(|line| line.starts_with("emberline: ")).collect();
        assert!(
            *status == 2 || (received.len() == 1 && received[0].contains(word)),
            "{arguments:?}: one line: {error}"
        );
        assert!(error.contains(word), "{arguments:?}: {error} does not tell {word}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert_eq!(shop.files(), before, "{arguments:?} left something");
    }
}

#[test]
fn inspect_recognizes_a_checkpoint_by_its_headers() {
    for name in ["tiny/diffusers", "tiny/single-f32.safetensors", "tiny/single-f16.safetensors"] {
        let path = fixture(name).display().to_string();
        let output = run(&["inspect", &path, "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!((&report["family"], &report["loadable"]), (&json!("sdxl"), &json!(true)), "{report}");
        let output = run(&["inspect", &path]);
        assert!(String::from_utf8_lossy(&output.stdout).contains("sdxl"));
    }
    let output = run(&["inspect", "/no/such/model"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/model"));
}

/// Runs the starter model. Returns the `--json` report and the picture.
fn starter(shop: &Workshop, more: &[&str]) -> (Value, RgbImage) {
    let out = shop.text("starter.png");
    let arguments = ["generate", "--prompt", "a red car on a yellow background", "--out", &out, "--seed", "1"];
    let output = run(&[&arguments[..], &["--device", "cpu", "--json"], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = serde_json::from_slice(&output.stdout).expect("one JSON object");
    (report, image::open(&out).expect("a picture").to_rgb8())
}

#[test]
fn without_a_model_the_one_inside_draws_with_its_own_settings() {
    let shop = Workshop::new();
    let (report, picture) = starter(&shop, &[]);
    let card = &starter_model::card().recommended;
    let expected = json!({
        "model": "starter", "width": card.width, "height": card.height, "steps": card.steps,
        "sampler": card.sampler, "scheduler": card.scheduler,
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&report[name], value, "{name}");
    }
    // The background is yellow at the corner; the car is red.
    let [red, green, blue] = picture.get_pixel(4, 4).0;
    assert!(red > 200 && green > 150 && blue < 120, "the background is {:?}", picture.get_pixel(4, 4));
    let is_red = |p: &&Rgb<u8>| p[0] > 150 && p[1] < 100 && p[2] < 110;
    let reds = picture.pixels().filter(is_red).count();
    assert!(reds > 400, "{reds} red pixels");
    let info = png_info::read(&fs::read(shop.path("starter.png")).expect("written")).expect("a PNG");
    let parameters = info.parameters.expect("Emberline's own record");
    assert_eq!((parameters.model.as_str(), parameters.cfg_scale), ("starter", card.cfg_scale));

    let (_, named) = starter(&shop, &["--model", "starter"]);
    assert_eq!(named, picture, "by name the same");
}

#[test]
fn an_option_wins_over_the_model_s_own_setting() {
    let shop = Workshop::new();
    let options = ["--width", "64", "--height", "96", "--steps", "3", "--sampler", "dpmpp_2m", "--scheduler", "karras"];
    let (report, picture) = starter(&shop, &options);
    assert_eq!((picture.width(), picture.height()), (64, 96));
    assert_eq!((&report["steps"], &report["sampler"]), (&json!(3), &json!("dpmpp_2m")));
    assert_eq!(report["scheduler"], json!("karras"));
}

#[test]
fn the_model_inside_brings_both_kinds_of_previews() {
    let shop = Workshop::new();
    let folder = shop.text("previews");
    for (method, side) in [("latent2rgb", 16), ("taesd", 128), ("auto", 128)] {
        starter(&shop, &["--steps", "2", "--preview", method, "--preview-dir", &folder]);
        let preview = image::open(shop.path("previews/step_0002.png")).expect("a preview");
        assert_eq!(preview.width(), side, "{method}");
    }
}

#[test]
fn inspect_describes_the_model_inside() {
    let output = run(&["inspect", "starter", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["path"], &report["family"]), (&json!("starter"), &json!("sdxl")));
    assert_eq!((&report["loadable"], &report["problems"]), (&json!(true), &json!([])));
    assert_eq!(report["parts"].as_array().map(Vec::len), Some(5));
    let card = serde_json::to_value(starter_model::card()).expect("JSON");
    assert_eq!(report["card"], card);

    let text = run(&["inspect", "starter"]);
    let text = String::from_utf8_lossy(&text.stdout);
    for word in ["loadable    yes", "hamburger", "purple", "128x128, 20 steps"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

/// Unsupported prompt syntax is reported: in the JSON, or on standard error.
#[test]
fn syntax_that_is_read_as_words_is_a_warning() {
    let shop = Workshop::new();
    let prompts = ["--prompt", "a fox <hypernet:detail:0.8> # red", "--negative-prompt", "<lora:blur:0.5>"];
    let generate = |more: &[&str]| {
        let mut command = emberline();
        command.args(["generate", "--seed", "1", "--device", "cpu", "--steps", "1", "--cfg-scale", "2", "--model"]);
        command.arg(&shop.model).arg("--out").arg(shop.path("out.png")).args(["--width", "64", "--height", "64"]);
        let output = command.args(prompts).args(more).output().expect("the binary starts");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
        (output.stdout, error)
    };
    let (stdout, stderr) = generate(&["--json"]);
    let report: Value = serde_json::from_slice(&stdout).expect("one JSON object");
    let expected = json!([
        {"field": "prompt", "message": "`<hypernet:detail:0.8>` is left out: hypernetworks are not supported"},
        {"field": "prompt", "message": "`# red` is read as words: comments are not supported"},
        {
            "field": "negative_prompt",
            "message": "`<lora:blur:0.5>` is read as words: LoRA files are named in the prompt, not in the negative prompt",
        },
    ]);
    assert_eq!((&report["warnings"], stderr.contains("<hypernet:")), (&expected, false), "{stderr}");
    let (stdout, stderr) = generate(&[]);
    assert!(
        stdout.is_empty() && stderr.contains("<hypernet:detail:0.8>") && stderr.contains("<lora:blur:0.5>"),
        "{stderr}"
    );
    let (stdout, _) = generate(&["--json", "--prompt-syntax", "plain"]);
    let report: Value = serde_json::from_slice(&stdout).expect("one JSON object");
    assert_eq!(report["warnings"], json!([]));
}

/// `BREAK` starts a second chunk: 154 rows of embeddings instead of 77.
#[test]
fn break_starts_a_chunk() {
    let shop = Workshop::new();
    let rows = |syntax: &str| {
        let dump = shop.text("dump.safetensors");
        let mut command = emberline();
        command.args(["generate", "--seed", "1", "--device", "cpu", "--steps", "1", "--cfg-scale", "1", "--model"]);
        command.arg(&shop.model).arg("--out").arg(shop.path("out.png")).args(["--width", "64", "--height", "64"]);
        command.args(["--prompt", "a fox BREAK a dog", "--prompt-syntax", syntax, "--dump", &dump, "--json"]);
        let output = command.output().expect("the binary starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        assert_eq!(report["warnings"], json!([]));
        let bytes = fs::read(&dump).expect("the dump");
        let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
        file.tensor("prompt_embeds").expect("embeddings").shape()[1]
    };
    assert_eq!((rows("a1111"), rows("plain")), (154, 77));
}

/// A folder of models with an embedding `mycat` of two vectors for the tiny model.
fn folder_with_embedding(folder: &Path) {
    let values: Vec<u8> = (0..2 * 24).flat_map(|i| ((i * 7 % 13) as f32 / 4.0 - 1.5).to_le_bytes()).collect();
    let view = |width: usize| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, width], &values[..2 * width * 4])
            .expect("it fits")
    };
    let file = safetensors::serialize([("clip_l", view(16)), ("clip_g", view(24))], None).expect("a file");
    fs::create_dir_all(folder.join("embeddings")).expect("a folder");
    fs::write(folder.join("embeddings/mycat.safetensors"), file).expect("written");
}

#[test]
fn an_embedding_of_the_library_is_found_by_its_name() {
    let shop = Workshop::new();
    let models = shop.path("models");
    folder_with_embedding(&models);
    let generate = |prompt: &str, more: &[&str]| {
        let dump = shop.text("dump.safetensors");
        let mut command = emberline();
        command.args(["generate", "--seed", "1", "--device", "cpu", "--steps", "1", "--cfg-scale", "1", "--model"]);
        command.arg(&shop.model).arg("--out").arg(shop.path("out.png")).args(["--width", "64", "--height", "64"]);
        command.args(["--prompt", prompt, "--dump", &dump, "--json"]).args(more);
        let output = command.output().expect("the binary starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        let bytes = fs::read(&dump).expect("the dump");
        let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
        (file.tensor("prompt_embeds").expect("embeddings").data().to_vec(), report["warnings"].clone())
    };
    let library = ["--models", models.to_str().expect("UTF-8")];
    let (words, warnings) = generate("a mycat", &[]);
    assert_eq!(warnings, json!([]));
    let (with, warnings) = generate("a mycat", &library);
    assert!(with != words, "the vectors take the words' place");
    assert_eq!(warnings, json!([]));
    assert_eq!(generate("a embedding:mycat", &library), (with, json!([])));
    let (_, warnings) = generate("a embedding:mycat", &[]);
    assert!(warnings[0]["message"].as_str().is_some_and(|why| why.contains("no embedding of this name")), "{warnings}");
}
