//! The library over a folder of many files: the time of the first scan, of a restart, and of its list, in milliseconds.
//!
//! `cargo bench --bench library` (with `-- FILES REQUESTS` to change 2000 files and 100 requests of each kind). One file of
//! ten is broken, one of twenty a link, one of twenty a pickle.

#[path = "support/server.rs"]
mod server;

use safetensors::{Dtype, tensor::TensorView};
use server::{Server, median, numbers};
use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime},
};

fn main() {
    let (files, requests) = numbers(2000, 100);
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path(), files);
    let models = folder.path().to_str().expect("UTF-8");
    let started = Instant::now();
    let server = Server::start(&["--models", models]);
    wait_for(&server, "scanning", &serde_json::json!(false));
    println!("{files} files: listed {:.0} ms after the start of the server", ms(started));
    wait_for(&server, "unhashed", &serde_json::json!(0));
    println!("{files} files: hashed {:.0} ms after the start of the server", ms(started));
    let listed = server.get("/api/v1/library/status");
    assert_eq!(listed["items"], files, "{listed}");

    println!("{requests} requests of each kind, milliseconds: median, 99th percentile, most");
    for path in PATHS {
        let mut times: Vec<f64> = (0..requests).map(|_| ask(&server, path)).collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
        println!("{path:44} {:7.2} {:7.2} {:7.2}", median(times.clone()), at(0.99), at(1.0));
    }
    // The first picture loads the model.
    server.seconds(&server.generate("none", 2));
    println!("a step without requests: {:.1} ms", step_ms(&server, || ()));
    println!("a step while the library is listed: {:.1} ms", step_ms(&server, || _ = ask(&server, PATHS[0])));
}

const PATHS: [&str; 5] = [
    "/api/v1/library?limit=500",
    "/api/v1/library",
    "/api/v1/library?search=style+17",
    "/api/v1/library?kind=lora&favourites=true",
    "/library",
];

/// Time of a request in milliseconds.
fn ask(server: &Server, path: &str) -> f64 {
    let started = Instant::now();
    let mut answer = ureq::get(format!("{}{path}", server.url)).call().expect("an answer");
    answer.body_mut().read_to_vec().expect("a body");
    ms(started)
}

/// Mean time of a sampling step in milliseconds, while `work` is repeated.
fn step_ms(server: &Server, work: impl Fn()) -> f64 {
    let measured = || ["sum", "count"].map(|what| server.metric(&format!("emberline_step_seconds_{what}")));
    let [sum, count] = measured();
    let task = server.generate("none", 200);
    while server.get(&format!("/api/v1/tasks/{}", task["task_id"]))["finished_at"].is_null() {
        work();
        thread::sleep(Duration::from_millis(5));
    }
    assert!(server.seconds(&task) > 0.0);
    let [sum_after, count_after] = measured();
    1000.0 * (sum_after - sum) / (count_after - count)
}

fn ms(since: Instant) -> f64 {
    1000.0 * since.elapsed().as_secs_f64()
}

/// Waits until a field of the library's state has this value.
fn wait_for(server: &Server, field: &str, value: &serde_json::Value) {
    while server.get("/api/v1/library/status")[field] != *value {
        thread::sleep(Duration::from_millis(5));
    }
}

fn fill(folder: &Path, files: u32) {
    let folders = ["loras", "embeddings", "Stable-diffusion"].map(|name| folder.join(name));
    folders.iter().for_each(|folder| fs::create_dir(folder).expect("a folder"));
    let [loras, embeddings, checkpoints] = &folders;
    // The library waits with new files until they are copied.
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for number in 0..files {
        let path = match number % 20 {
            0 => embeddings.join(format!("pickle {number}.pt")),
            1 | 11 => checkpoints.join(format!("broken {number}.safetensors")),
            _ => loras.join(format!("style {number}.safetensors")),
        };
        match number % 20 {
            #[cfg(unix)]
            2 if number > 20 => {
                std::os::unix::fs::symlink(loras.join("style 3.safetensors"), path).expect("a link");
                continue;
            }
            0 => fs::write(&path, b"PK\x03\x04archive/data.pkl").expect("written"),
            1 | 11 => fs::write(&path, b"broken").expect("written"),
            _ => fs::write(&path, lora(number)).expect("written"),
        }
        fs::File::options().append(true).open(&path).expect("opens").set_modified(hour_ago).expect("a time");
    }
}

/// A LoRA file of rank 4 for one layer, with the metadata of a training.
fn lora(number: u32) -> Vec<u8> {
    let base = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k";
    let (down, up) = (number.to_le_bytes().repeat(4 * 2048), number.to_le_bytes().repeat(640 * 4));
    let view = |shape, data| TensorView::new(Dtype::F32, shape, data).expect("it fits");
    let tensors = [
        (format!("{base}.lora_down.weight"), view(vec![4, 2048], &down)),
        (format!("{base}.lora_up.weight"), view(vec![640, 4], &up)),
    ];
    let metadata = [
        ("modelspec.title", format!("Style {number}")),
        ("ss_tag_frequency", r#"{"10_style": {"ink": 30, "paper": 12, "night": 4}}"#.to_owned()),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
    safetensors::serialize(tensors, Some(metadata.into_iter().collect())).expect("a file")
}
