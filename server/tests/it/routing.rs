//! Which worker takes a task: one that has its LoRA files and embeddings, and that is new enough.

use crate::library::{Folder, item, scanned_server};
use crate::several_servers::{Place, task, wait_for};
use crate::several_workers::TestWorker;
use crate::support::TestServer;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use std::path::Path;

/// The tiny model.
fn tiny() -> Vec<u8> {
    std::fs::read(Path::new("../crates/sdxl/tests/fixtures/tiny/single-f16.safetensors")).expect("the tiny model")
}

/// A LoRA of rank 4 for one layer of the tiny model.
fn lora() -> Vec<u8> {
    let bytes = tiny();
    let model = SafeTensors::deserialize(&bytes).expect("safetensors");
    let is_layer = |name: &&String| name.starts_with("model.diffusion_model.") && name.ends_with("attn2.to_k.weight");
    let names = model.names().into_iter().map(ToString::to_string).collect::<Vec<_>>();
    let layer = names.iter().filter(is_layer).min().expect("a layer");
    let shape = model.tensor(layer).expect("there").shape().to_vec();
    let name = layer.trim_start_matches("model.diffusion_model.").trim_end_matches(".weight").replace('.', "_");
    let (down, up) = (vec![0; 4 * shape[1] * 4], vec![0; 4 * shape[0] * 4]);
    let views = [
        (
            format!("lora_unet_{name}.lora_down.weight"),
            TensorView::new(Dtype::F32, vec![4, shape[1]], &down).expect("it fits"),
        ),
        (
            format!("lora_unet_{name}.lora_up.weight"),
            TensorView::new(Dtype::F32, vec![shape[0], 4], &up).expect("it fits"),
        ),
    ];
    safetensors::serialize(views, None).expect("a file")
}

/// An embedding of two vectors for the tiny model.
fn embedding() -> Vec<u8> {
    let values: Vec<u8> = (0..2 * 24).flat_map(|i| ((i * 7 % 13) as f32 / 4.0 - 1.5).to_le_bytes()).collect();
    let view = |width: usize| TensorView::new(Dtype::F32, vec![2, width], &values[..2 * width * 4]).expect("it fits");
    safetensors::serialize([("clip_l", view(16)), ("clip_g", view(24))], None).expect("a file")
}

fn ask(server: &TestServer, project: &Value, more: Value) -> Value {
    let mut body = json!({"prompt": "a red car", "model": "tiny", "steps": 2, "width": 64, "height": 64});
    more.as_object().expect("an object").iter().for_each(|(name, value)| body[name] = value.clone());
    let answer = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &body);
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()["tasks"][0].clone()
}

#[test]
fn a_task_waits_for_a_worker_that_has_its_files() {
    let Some(place) = Place::new() else { return };
    let (all, bare) = (Folder::new(), Folder::new());
    for folder in [&all, &bare] {
        folder.write("checkpoints/tiny.safetensors", &tiny());
    }
    all.write("loras/ink wash.safetensors", &lora());
    all.write("embeddings/mycat.safetensors", &embedding());
    let web = scanned_server(place.server(&["--concurrency", "0", "--models", all.text()]));
    let bare = TestWorker::start(&place, &["--name", "bare", "--models", bare.text()]);
    let project = web.create("Routed");
    let plain = ask(&web, &project, json!({}));
    web.wait_for_task(&plain["task_id"], "completed");
    assert!(item(&web, "lora", "ink wash")["name"].is_string());
    let asked = [
        (json!({"loras": [{"name": "ink wash", "unet_weight": 0.7}]}), "a worker with the LoRA \"ink wash\""),
        (json!({"prompt": "a mycat"}), "a worker with the embedding \"mycat\""),
    ];
    let made = asked.map(|(more, why)| (ask(&web, &project, more), why));
    for (made, why) in &made {
        wait_for(&web, made, "waiting", |task| task["waiting_for"] == *why);
    }
    // Others pass them.
    let plain = ask(&web, &project, json!({"seed": 2}));
    web.wait_for_task(&plain["task_id"], "completed");
    for (made, why) in &made {
        let waits = task(&web, made);
        assert_eq!(
            (&waits["status"], &waits["waiting_for"], &waits["attempt"]),
            (&json!("queued"), &json!(why), &json!(0))
        );
    }
    let has_all = TestWorker::start(&place, &["--name", "all", "--models", all.text()]);
    for (made, _) in &made {
        web.wait_for_task(&made["task_id"], "completed");
        assert_eq!(task(&web, made)["attempt"], 1);
    }
    assert_eq!(bare.stopped().matches("generation started").count(), 2, "the others were not its");
    assert_eq!(has_all.stopped().matches("generation started").count(), 2);
}

#[test]
fn an_older_worker_leaves_what_it_would_draw_wrongly() {
    let Some(place) = Place::new() else { return };
    let web = place.server(&["--concurrency", "0", "--pretend-protocol", "2"]);
    let old = TestWorker::start(&place, &["--name", "old"]);
    let project = web.create("Versions");
    let made = ask(&web, &project, json!({"model": "starter"}));
    wait_for(&web, &made, "waiting", |task| task["waiting_for"] == "a worker of a newer version of Emberline");
    let before = place.server(&["--concurrency", "0"]);
    let known = ask(&before, &project, json!({"model": "starter"}));
    before.wait_for_task(&known["task_id"], "completed");
    assert_eq!(task(&web, &made)["status"], "queued");
    let _new = TestWorker::start(&place, &["--name", "new", "--pretend-protocol", "2"]);
    web.wait_for_task(&made["task_id"], "completed");
    assert_eq!(old.stopped().matches("generation started").count(), 1);
}
