//! `POST /inspect-png` and `emberline inspect` for pictures of other programs.

use crate::{
    library::{Folder, lora, scanned, wait_until},
    support::{TestServer, run},
};
use serde_json::{Value, json};
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crates/png_info/tests/fixtures").join(name)
}

fn inspected(server: &TestServer, file: &[u8]) -> Value {
    let answer = server.request("POST", "/api/v1/inspect-png", &[], Some(file));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn with_text(text: &str) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 1, 1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.add_itxt_chunk("parameters".to_owned(), text.to_owned()).expect("a text");
    encoder.write_header().expect("a header").write_image_data(&[0; 3]).expect("written");
    file
}

#[test]
fn records_are_read_in_every_format_and_said_within_bounds() {
    let server = TestServer::start();
    for name in ["a1111.jpg", "a1111.webp", "utf8_text.png"] {
        let file = std::fs::read(fixture(name)).expect("a fixture");
        let answer = inspected(&server, &file);
        assert!(answer["a1111"].as_str().is_some_and(|text| text.contains("雪")), "{name}");
        let record = &answer["record"];
        assert_eq!((&record["program"], &record["program_version"]), (&json!("A1111"), &json!("v1.6.0")));
        let expected = json!({
            "prompt": "a red fox, 雪", "negative_prompt": "blurry", "width": 832, "height": 1216, "steps": 25,
            "cfg_scale": 6.5, "cfg_rescale": null, "sampler": "dpmpp_2m", "scheduler": "karras", "seed": 42, "model": null,
            "loras": null, "strength": null,
        });
        assert_eq!(record["settings"], expected, "{name}");
        let model = json!([{"name": "model", "value": "sdxl_base", "reason": "no model of that name is offered here"}]);
        assert_eq!(record["not_applied"], model, "{name}");
    }
    let text =
        "a car\nSteps: 2000, Sampler: Restart, CFG scale: 30.5, Seed: 5, Size: 1000x1001, Model: Starter, Clip skip: 2";
    let record = inspected(&server, &with_text(text))["record"].take();
    let set = &record["settings"];
    assert_eq!((&set["prompt"], &set["seed"], &set["model"]), (&json!("a car"), &json!(5), &json!("starter")));
    for refused in ["steps", "sampler", "cfg_scale", "width", "height"] {
        assert_eq!(set[refused], Value::Null, "{refused}");
    }
    let names: Vec<&str> =
        record["not_applied"].as_array().expect("a list").iter().filter_map(|entry| entry["name"].as_str()).collect();
    assert_eq!(names, ["Clip skip", "Sampler", "steps", "cfg_scale", "height", "width"]);
    let camera = inspected(&server, &std::fs::read(fixture("camera.jpg")).expect("a fixture"));
    assert_eq!(camera, json!({"parameters": null, "a1111": null, "record": null}));
    for other in [&b"GIF89a"[..], b"\x89PNG\r\n\x1a\n", b"", b"\xff\xd8\xff\xe0\0"] {
        let answer = server.request("POST", "/api/v1/inspect-png", &[], Some(other));
        assert_eq!((answer.status, answer.bad_fields()), (422, vec!["body".to_owned()]));
    }
    server.stop();
}

#[test]
fn the_command_shows_a_pictures_record() {
    let path = fixture("a1111.jpg").display().to_string();
    let shown = run(&["inspect", &path]);
    let text = String::from_utf8(shown.stdout).expect("UTF-8");
    assert!(shown.status.success());
    for line in [
        "written by    A1111 v1.6.0",
        "prompt        a red fox, 雪",
        "sampler       dpmpp_2m",
        "size          832x1216",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let json: Value = serde_json::from_slice(&run(&["inspect", &path, "--json"]).stdout).expect("JSON");
    assert_eq!((&json["record"]["settings"]["seed"], &json["parameters"]), (&json!(42), &Value::Null));
    let none = run(&["inspect", &fixture("camera.jpg").display().to_string()]);
    assert!(String::from_utf8_lossy(&none.stdout).contains("without a record"));
}

#[test]
fn lora_files_of_other_programs_are_found_by_name_or_hash_and_missing_ones_are_said() {
    let folder = Folder::new();
    folder.write("loras/detail.safetensors", &lora(1, &[]));
    folder.write("loras/renamed.safetensors", &lora(2, &[]));
    let server = scanned(&["--device", "cpu", "--models", folder.text()]);
    let hash = |name: &str| {
        let list = server.get("/api/v1/library?kind=lora").json();
        let item = list.as_array().expect("a list").iter().find(|item| item["name"] == name).expect("the file").clone();
        item["hashes"]["auto_v3"].as_str().map(str::to_owned)
    };
    wait_until("the hashes", || hash("detail").is_some() && hash("renamed").is_some());
    let record = json!({
        "sui_image_params": {
            "prompt": "a boat", "loras": ["SDXL/detail", "old-name", "retail"], "loraweights": ["0.8", "0.5", "1"],
            "loratencweights": ["0.25"],
        },
        "sui_models": [{
            "name": "old-name.safetensors", "param": "loras", "hash": format!("0x{:0<64}", hash("renamed").expect("known")),
        }],
    });
    let record = inspected(&server, &with_text(&record.to_string()))["record"].take();
    let expected = json!([
        {"name": "detail", "unet_weight": 0.8, "text_weight": 0.25, "hash": hash("detail")},
        {"name": "renamed", "unet_weight": 0.5, "hash": hash("renamed")},
    ]);
    assert_eq!((&record["program"], &record["settings"]["loras"]), (&json!("SwarmUI"), &expected), "{record}");
    let reason = "there is no LoRA \"retail\"; the nearest is \"detail\"";
    assert_eq!(record["not_applied"], json!([{"name": "loras", "value": "retail", "reason": reason}]));
}
