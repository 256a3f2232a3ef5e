//! `--models`: a folder of checkpoints, LoRA files and others.

use crate::support::{Events, TestServer, emberline};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;

/// A temporary folder of models. Its files are an hour old: the library waits with new ones until they are copied.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn text(&self) -> &str {
        self.0.path().to_str().expect("UTF-8")
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        path
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::write(&path, bytes).expect("written");
        let file = fs::File::options().write(true).open(&path).expect("there");
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("set");
    }

    fn add_checkpoint(&self, name: &str) {
        let tiny = Path::new("../crates/sdxl/tests/fixtures/tiny/single-f16.safetensors");
        self.write(name, &fs::read(tiny).expect("the tiny model"));
    }
}

/// A LoRA of rank 4 for one layer of SDXL; `number` makes its values its own.
pub(crate) fn lora(number: u32, metadata: &[(&str, &str)]) -> Vec<u8> {
    let base = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k";
    let (down, up) = (number.to_le_bytes().repeat(4 * 2048), number.to_le_bytes().repeat(640 * 4));
    let views = [
        (format!("{base}.lora_down.weight"), TensorView::new(Dtype::F32, vec![4, 2048], &down).expect("it fits")),
        (format!("{base}.lora_up.weight"), TensorView::new(Dtype::F32, vec![640, 4], &up).expect("it fits")),
    ];
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    safetensors::serialize(views, Some(metadata)).expect("a file")
}

/// AutoV3: SHA-256 of what follows the header, 12 digits.
fn auto_v3(file: &[u8]) -> String {
    let header = u64::from_le_bytes(file[..8].try_into().expect("8 bytes")) as usize;
    Sha256::digest(&file[8 + header..]).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is() {
        assert!(Instant::now() < deadline, "not in 120 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn status(server: &TestServer) -> Value {
    server.get("/api/v1/library/status").json()
}

/// A server whose library has been scanned.
pub(crate) fn scanned(arguments: &[&str]) -> TestServer {
    scanned_server(TestServer::start_with(arguments))
}

/// The server, when its library is scanned.
pub(crate) fn scanned_server(server: TestServer) -> TestServer {
    wait_until("the scan", || status(&server)["scanning"] == false);
    server
}

pub(crate) fn item(server: &TestServer, kind: &str, name: &str) -> Value {
    let list = server.get(&format!("/api/v1/library?kind={kind}")).json();
    let found = list.as_array().expect("a list").iter().find(|item| item["name"] == name).cloned();
    found.unwrap_or_else(|| panic!("no {kind} {name} in {list}"))
}

#[test]
fn two_thousand_files_are_listed_page_by_page_with_the_reasons() {
    let folder = Folder::new();
    folder.add_checkpoint("checkpoints/good.safetensors");
    let metadata =
        [("ss_output_name", "the alias"), ("modelspec.title", "A style"), ("ss_tag_frequency", r#"{"a":{"ink":3}}"#)];
    for number in 0..1900 {
        folder.write(&format!("loras/{number:04}.safetensors"), &lora(number, &metadata));
    }
    for number in 0..40 {
        folder.write(&format!("Lora/broken-{number}.safetensors"), b"broken");
        folder.write(&format!("embeddings/pickle-{number}.pt"), b"PK\x03\x04archive/data.pkl");
    }
    folder.write("ESRGAN/x4.pth", b"\x80\x02pickle");
    folder.write("loras/0001.txt", b"no model");
    let up = fs::read("../crates/sdxl/tests/fixtures/tiny/single-f16.safetensors").expect("the tiny model");
    folder.write("loras/cut.safetensors", &up[..up.len() - 1000]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.0.path(), folder.path("loras/up")).expect("a link");
        std::os::unix::fs::symlink("/nowhere/at/all", folder.path("loras/gone.safetensors")).expect("a link");
    }
    let server = scanned(&["--device", "cpu", "--models", folder.text()]);
    let now = status(&server);
    let refused = 40 + 40 + 1 + 1 + u64::from(cfg!(unix));
    assert_eq!((&now["items"], &now["refused"]), (&json!(1901 + refused), &json!(refused)), "{now}");

    // Page by page, each file once, sorted by kind and name.
    let (mut seen, mut next) = (Vec::new(), "?limit=500".to_owned());
    loop {
        let answer = server.get(&format!("/api/v1/library{next}"));
        let page = answer.json();
        seen.extend(
            page.as_array().expect("a list").iter().map(|item| (item["kind"].to_string(), item["name"].to_string())),
        );
        let link = answer.header("link");
        let Some(address) = link.strip_prefix('<').and_then(|link| link.split('>').next()) else { break };
        next = address.to_owned();
    }
    assert_eq!(seen.len() as u64, 1901 + refused);
    assert_eq!(seen.iter().collect::<std::collections::HashSet<_>>().len(), seen.len(), "no name twice");
    assert_eq!(seen[0], ("\"checkpoint\"".to_owned(), "\"good\"".to_owned()));

    let first = item(&server, "lora", "0007");
    assert_eq!(
        (&first["title"], &first["details"], &first["family"]),
        (&json!("A style"), &json!("LoRA, rank 4"), &json!("sdxl"))
    );
    assert_eq!((&first["trigger_words"], &first["problem"]), (&json!(["ink"]), &Value::Null));
    let reason = |kind: &str, name: &str| item(&server, kind, name)["problem"].as_str().unwrap_or_default().to_owned();
    assert!(reason("embedding", "pickle-3").contains("pickle"), "{}", reason("embedding", "pickle-3"));
    assert!(!reason("lora", "broken-1").is_empty() && !reason("lora", "cut").is_empty());
    assert!(reason("upscaler", "x4").contains("pickle"));
    #[cfg(unix)]
    assert_eq!(reason("lora", "gone"), "is a link to nothing");
    let found = server.get("/api/v1/library?search=STYLE%200012").json();
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(server.get("/api/v1/library?kind=nothing").bad_fields(), ["kind"]);
    assert_eq!(server.get("/api/v1/library/0000").status, 404);
}

#[test]
fn marks_and_hashes_survive_a_restart_and_a_move() {
    let folder = Folder::new();
    let file = lora(1, &[]);
    folder.write("loras/a.safetensors", &file);
    folder.write("loras/sdxl_lightning_4step_lora.safetensors", &lora(2, &[]));
    let arguments = ["--device", "cpu", "--models", folder.text()];
    let server = scanned(&arguments);
    let patch = json!({"favourite": true, "title": "Mine", "distillation": "lcm"});
    let id = item(&server, "lora", "a")["id"].as_str().expect("an id").to_owned();
    let marked = server.send("PATCH", &format!("/api/v1/library/{id}"), &patch).json();
    assert_eq!((&marked["favourite"], &marked["title"]), (&json!(true), &json!("Mine")));
    assert_eq!(
        (&marked["distillation"]["sampler"], &marked["distillation"]["is_marked"]),
        (&json!("lcm"), &json!(true))
    );
    let bad = server.send("PATCH", &format!("/api/v1/library/{id}"), &json!({"distillation": "magic"}));
    assert_eq!((bad.status, bad.bad_fields()), (422, vec!["distillation".to_owned()]));
    let recognised = item(&server, "lora", "sdxl_lightning_4step_lora");
    let offered = &recognised["distillation"];
    assert_eq!(
        (&offered["name"], &offered["steps"], &offered["cfg_scale"]),
        (&json!("lightning-4"), &json!(4), &json!(1.0))
    );
    wait_until("hashes", || status(&server)["unhashed"] == 0);
    // The two hashes do not count as changes of the files: an open page need not read them again.
    let (now, number) = (status(&server), |value: &Value| value.as_u64().expect("a number"));
    assert_eq!(number(&now["revision"]), number(&now["files_revision"]) + 2, "{now}");
    let hashes = item(&server, "lora", "a")["hashes"].clone();
    let sha256: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hashes, json!({"sha256": sha256, "auto_v2": sha256[..10], "auto_v3": auto_v3(&file)}));

    let (_, _, data) = server.stop();
    fs::rename(folder.path("loras/a.safetensors"), folder.path("loras/sub/a.safetensors")).expect("moved");
    let server = TestServer::start_in(data, &arguments);
    wait_until("the scan", || status(&server)["scanning"] == false);
    let moved = item(&server, "lora", "a");
    assert_eq!(moved["file"], "loras/sub/a.safetensors");
    assert_eq!((&moved["favourite"], &moved["title"], &moved["hashes"]), (&json!(true), &json!("Mine"), &hashes));
    assert_eq!(server.get("/api/v1/library?favourites=true").json().as_array().map(Vec::len), Some(1));
}

#[test]
fn new_files_appear_without_a_restart_and_events_say_so() {
    let folder = Folder::new();
    folder.write("loras/a.safetensors", &lora(1, &[]));
    let server = scanned(&["--device", "cpu", "--models", folder.text()]);
    let mut events = Events::connect(&server, "");
    folder.add_checkpoint("Stable-diffusion/tiny.safetensors");
    fs::remove_file(folder.path("loras/a.safetensors")).expect("removed");
    assert_eq!(server.send("POST", "/api/v1/library/scan", &json!({})).status, 202);
    wait_until("the new file", || status(&server)["items"] == 1 && status(&server)["refused"] == 0);
    let heard = events.until("library_updated", Duration::from_secs(20));
    assert!(heard.last().expect("one")["data"]["revision"].as_u64() > Some(0));
    wait_until("the new model", || server.get("/api/v1/models").json()[0]["name"] == "tiny");

    let project =
        server.send("POST", "/api/v1/projects", &json!({"name": "x", "width": 64, "height": 64, "fps": 1})).json();
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    let made = server.send("POST", &path, &json!({"prompt": "a car", "steps": 2, "model": "tiny"}));
    assert_eq!(made.status, 202, "{}", made.text);
    server.wait_for_task(&made.json()["tasks"][0]["task_id"], "completed");
    wait_until("the count", || item(&server, "checkpoint", "tiny")["takes"] == 1);
    let tiny = item(&server, "checkpoint", "tiny");
    assert_eq!((&tiny["loaded"], &tiny["family"], &tiny["takes"]), (&json!(true), &json!("sdxl"), &json!(1)), "{tiny}");
    let thumbnail = tiny["thumbnail"].as_str().expect("the picture made with it");
    assert_eq!(server.get(thumbnail).status, 200);
    assert!(tiny["memory_bytes"].as_u64() > Some(1 << 20), "{tiny}");
}

#[test]
fn a_preview_beside_a_file_is_its_thumbnail() {
    let folder = Folder::new();
    folder.write("loras/a.safetensors", &lora(1, &[]));
    let picture = image::RgbImage::from_pixel(800, 1200, image::Rgb([200, 10, 30]));
    picture.save(folder.path("loras/a.preview.png")).expect("written");
    let server = scanned(&["--device", "cpu", "--models", folder.text()]);
    let path = item(&server, "lora", "a")["thumbnail"].as_str().expect("a path").to_owned();
    let (answer, bytes) = server.bytes(&path);
    assert_eq!((answer.status, answer.header("content-type")), (200, "image/jpeg"));
    let small = image::load_from_memory(&bytes).expect("a picture");
    assert_eq!(small.height(), 512);
    let again = server.request("GET", &path, &[("if-none-match", answer.header("etag"))], None);
    assert_eq!(again.status, 304);
}

#[test]
fn lora_names_and_hashes_are_checked_when_a_generation_is_requested() {
    let folder = Folder::new();
    let file = lora(7, &[("ss_output_name", "trained-name")]);
    folder.write("loras/styles/ink wash.safetensors", &file);
    folder.write("loras/broken.safetensors", b"broken");
    let server = scanned(&["--device", "cpu", "--models", folder.text()]);
    let project = server.create("x");
    server.send("POST", "/api/v1/queue/pause", &json!({}));
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    let request = |loras: Value| server.send("POST", &path, &json!({"prompt": "a car", "loras": loras}));
    let refused = |loras: Value| {
        let answer = request(loras);
        assert_eq!((answer.status, answer.bad_fields()), (422, vec!["loras".to_owned()]), "{}", answer.text);
        answer.json()["errors"][0]["message"].as_str().expect("a message").to_owned()
    };
    assert_eq!(refused(json!([{"name": "inkwash"}])), "there is no LoRA \"inkwash\"; the nearest is \"ink wash\"");
    assert!(refused(json!([{"name": "broken"}])).starts_with("\"broken\" cannot be used: "));
    let other = "0123456789ab";
    assert!(refused(json!([{"name": "ink wash", "hash": other}])).contains(other));
    assert!(refused(json!([{"name": "ink wash"}, {"name": "trained-name"}])).contains("twice"));
    for loras in [
        json!([{"name": "ink wash", "unet_weight": 0.7}]),
        json!([{"name": "trained-name", "unet_weight": 0.7}]),
        json!([{"name": "loras/styles/ink wash", "unet_weight": 0.7}]),
        json!([{"name": "renamed", "hash": auto_v3(&file), "unet_weight": 0.7}]),
    ] {
        // A hash is known to the server once it was computed for a file that was found by its name.
        let made = request(loras.clone());
        assert_eq!(made.status, 202, "{loras}: {}", made.text);
        let task = server.get(&format!("/api/v1/tasks/{}", made.json()["tasks"][0]["task_id"])).json();
        let stored = json!([{"name": "ink wash", "unet_weight": 0.7, "hash": auto_v3(&file)}]);
        assert_eq!(task["parameters"]["loras"], stored);
    }
}

#[test]
fn the_command_line_lists_the_library() {
    let folder = Folder::new();
    folder.add_checkpoint("checkpoints/tiny.safetensors");
    folder.write("loras/broken.safetensors", b"broken");
    let output = emberline().args(["library", "--models", folder.text(), "--json"]).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let items: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&items[0]["name"], &items[0]["problem"]), (&json!("tiny"), &Value::Null));
    assert_eq!(items[1]["name"], "broken");
    assert!(items[1]["problem"].is_string());
    let output = emberline().args(["library", "--models", folder.text()]).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("checkpoint  tiny") && text.contains("broken"), "{text}");
}

/// An embedding for SDXL with this many vectors.
fn embedding(vectors: usize) -> Vec<u8> {
    let zeros = vec![0; vectors * 1280 * 4];
    let view = |width| TensorView::new(Dtype::F32, vec![vectors, width], &zeros[..vectors * width * 4]);
    let views = [("clip_l", view(768).expect("it fits")), ("clip_g", view(1280).expect("it fits"))];
    safetensors::serialize(views, None).expect("a file")
}

#[test]
fn an_embedding_counts_as_many_tokens_as_it_has_vectors() {
    let folder = Folder::new();
    folder.write("embeddings/mycat.safetensors", &embedding(5));
    let server = scanned(&["--device", "cpu", "--models", folder.text()]);
    assert_eq!(item(&server, "embedding", "mycat")["details"], "5 vectors");
    let count = |prompt: &str| -> Value {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let body = format!("prompt={prompt}");
        let answer = server.request("POST", "/fn/prompts/count", &headers, Some(body.as_bytes()));
        serde_json::from_str(answer.json().as_str().expect("packed")).expect("a count")
    };
    assert_eq!((&count("cat")["tokens"], &count("a+cat")["tokens"]), (&json!(1), &json!(2)));
    assert_eq!(count("a+MyCat,")["tokens"], 7, "the word, five vectors and the comma");
    let known = count("a+embedding:mycat,");
    assert_eq!((&known["tokens"], &known["warnings"]), (&json!(7), &json!([])));
    let unknown = count("embedding:mydog");
    let message = unknown["warnings"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("there is no embedding of this name"), "{unknown}");
}

#[test]
fn a_setting_says_how_many_models_stay_in_memory() {
    let folder = Folder::new();
    ["a", "b"].iter().for_each(|name| folder.add_checkpoint(&format!("checkpoints/{name}.safetensors")));
    let arguments = ["--device", "cpu", "--models", folder.text()];
    let server = scanned(&arguments);
    let project = server.create("x");
    let draw = |server: &TestServer, model: &str| {
        let body = json!({"prompt": "a car", "steps": 1, "width": 64, "height": 64, "model": model});
        let made = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &body);
        assert_eq!(made.status, 202, "{}", made.text);
        server.wait_for_task(&made.json()["tasks"][0]["task_id"], "completed");
    };
    let loaded = |server: &TestServer| ["a", "b"].map(|name| item(server, "checkpoint", name)["loaded"] == true);
    let set =
        |server: &TestServer, most: u32| server.send("PATCH", "/api/v1/settings", &json!({"models_in_memory": most}));
    assert_eq!(server.get("/api/v1/settings").json()["models_in_memory"], 1);
    draw(&server, "a");
    draw(&server, "b");
    assert_eq!(loaded(&server), [false, true]);
    assert_eq!(set(&server, 2).json()["models_in_memory"], 2);
    draw(&server, "a");
    assert_eq!(loaded(&server), [true, true]);
    draw(&server, "b");
    // The least recently used one leaves at once.
    assert_eq!(set(&server, 1).status, 200);
    assert_eq!(loaded(&server), [false, true]);
    for wrong in [0, 17, 300] {
        assert_eq!(set(&server, wrong).bad_fields(), ["models_in_memory"], "{wrong}");
    }
    assert_eq!(set(&server, 2).status, 200);

    // A start has the stored setting, unless an option says otherwise.
    let (_, _, data) = server.stop();
    let server = TestServer::start_in(data, &arguments);
    wait_until("the scan", || status(&server)["scanning"] == false);
    draw(&server, "a");
    draw(&server, "b");
    assert_eq!(loaded(&server), [true, true]);
    let (_, _, data) = server.stop();
    let server = TestServer::start_in(data, &[&arguments[..], &["--models-in-memory", "1"]].concat());
    wait_until("the scan", || status(&server)["scanning"] == false);
    assert_eq!(set(&server, 3).status, 200);
    draw(&server, "a");
    draw(&server, "b");
    assert_eq!(loaded(&server), [false, true]);
}
