//! `emberline inspect` on files that are used together with a checkpoint.

use crate::support::run;
use serde_json::{Value, json};
use std::path::Path;

/// Writes a safetensors file of zeros in f16.
fn write(path: &Path, metadata: Value, tensors: &[(&str, &[usize])]) {
    let mut header = serde_json::Map::from_iter([("__metadata__".to_owned(), metadata)]);
    let mut at = 0;
    for (name, shape) in tensors {
        let end = at + 2 * shape.iter().product::<usize>();
        header.insert((*name).to_owned(), json!({"dtype": "F16", "shape": shape, "data_offsets": [at, end]}));
        at = end;
    }
    let header = Value::Object(header).to_string();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; at]].concat();
    std::fs::write(path, bytes).expect("a file is written");
}

/// The JSON and the text of `emberline inspect`.
fn inspect(path: &Path) -> (Value, String) {
    let path = path.display().to_string();
    let output = run(&["inspect", &path, "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = run(&["inspect", &path]).stdout;
    (serde_json::from_slice(&output.stdout).expect("JSON"), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_lora_is_described() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cat.safetensors");
    let metadata = json!({"ss_base_model_version": "sdxl_base_v1-0", "ss_tag_frequency": r#"{"1_a": {"zzcat": 12}}"#});
    let tensors: [(&str, &[usize]); 2] = [
        ("lora_unet_middle_block_1_proj_in.lora_down.weight", &[8, 1280]),
        ("lora_unet_middle_block_1_proj_in.lora_up.weight", &[1280, 8]),
    ];
    write(&path, metadata, &tensors);
    let (report, text) = inspect(&path);
    assert_eq!((&report["family"], &report["loadable"]), (&json!("lora"), &json!(false)));
    let lora = &report["lora"];
    assert_eq!((&lora["kinds"], &lora["ranks"], &lora["layers"]), (&json!(["lora"]), &json!([8]), &json!(1)));
    assert_eq!((&lora["base"]["model"], &lora["parts"]), (&json!("SDXL"), &json!({"unet": 1})));
    assert_eq!(lora["trigger_words"], json!([{"text": "zzcat", "count": 12}]));
    for word in ["model       lora", "ranks       8", "unet 1", "SDXL (ss_base_model_version", "zzcat (12)"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn an_embedding_is_described_or_refused_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("my cat.safetensors");
    write(&path, json!({}), &[("clip_l", &[3, 768]), ("clip_g", &[3, 1280])]);
    let (report, text) = inspect(&path);
    assert_eq!((&report["embedding"]["name"], &report["embedding"]["vectors"]), (&json!("my cat"), &json!(3)));
    assert!(text.contains("vectors     3 (text_encoder 768, text_encoder_2 1280)"), "{text}");
    write(&path, json!({}), &[("emb_params", &[3, 768])]);
    let (report, text) = inspect(&path);
    assert_eq!(report["embedding"]["vectors"], json!(0));
    assert!(text.contains("Stable Diffusion 1 or 2"), "{text}");
}
