//! diffusers folders: variants, shards, configs, and errors in them.

use crate::common::{models, write, write_bytes, zeros};
use checkpoint::{Checkpoint, Error, Family, OpenOptions, Part, TokenizerFiles};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A copy of one of the tiny models, to be modified.
fn copy(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("model");
    copy_folder(&models().join("tiny").join(name), &root);
    (folder, root)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder is made");
    for entry in std::fs::read_dir(from).expect("the model is there") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// The error message of opening it, without the path.
fn refusal(root: &Path) -> String {
    let message = Checkpoint::open(root).expect_err("it is refused").to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

/// Sets a key of a JSON file.
fn set(path: &Path, key: &str, value: serde_json::Value) {
    let text = std::fs::read_to_string(path).expect("it is there");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    json[key] = value;
    std::fs::write(path, json.to_string()).expect("it is written");
}

#[test]
fn half_precision_is_taken_when_asked_for_or_when_it_is_all_there_is() {
    let (_keep, root) = copy("diffusers");
    let half = models().join("tiny/diffusers-fp16/vae/diffusion_pytorch_model.fp16.safetensors");
    std::fs::copy(half, root.join("vae/diffusion_pytorch_model.fp16.safetensors")).expect("a copy");
    let names = |prefer_fp16| -> Vec<String> {
        let checkpoint = Checkpoint::open_with(&root, &OpenOptions { prefer_fp16 }).expect("it opens");
        let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
        checkpoint.files().iter().map(name).collect()
    };
    assert!(names(false).iter().all(|name| !name.contains("fp16")));
    // The other parts have only one variant.
    assert_eq!(names(true).iter().filter(|name| name.contains("fp16")).count(), 1);
}

#[test]
fn a_folder_that_is_no_model_says_what_it_lacks() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(refusal(folder.path()).ends_with("has no model_index.json: not a diffusers folder"));
    let (_keep, root) = copy("diffusers");
    std::fs::remove_file(root.join("unet/config.json")).expect("removed");
    assert!(refusal(&root).ends_with("has no unet/config.json"));
    let (_keep, root) = copy("diffusers");
    std::fs::remove_file(root.join("vae/diffusion_pytorch_model.safetensors")).expect("removed");
    assert!(refusal(&root).ends_with("has no vae/diffusion_pytorch_model.safetensors"));
    write_bytes(&root.join("vae/diffusion_pytorch_model.bin"), b"PK\x03\x04");
    assert!(refusal(&root).contains("only as a pickle (vae/diffusion_pytorch_model.bin)"));
    assert!(refusal(&root.join("nothing here")).contains("No such file"));
}

#[test]
fn other_pipelines_are_recognised() {
    for (class, family) in [
        ("StableDiffusionPipeline", Family::Sd1),
        ("StableDiffusion3Pipeline", Family::Sd3),
        ("FluxPipeline", Family::Flux),
        ("KandinskyPipeline", Family::Unknown),
    ] {
        let (_keep, root) = copy("diffusers");
        set(&root.join("model_index.json"), "_class_name", class.into());
        match Checkpoint::open(&root) {
            Err(Error::Family { family: found, .. }) => assert_eq!(found, family),
            other => panic!("{class}: {other:?}"),
        }
    }
    let (_keep, root) = copy("diffusers");
    set(&root.join("unet/config.json"), "in_channels", 9.into());
    assert!(refusal(&root).contains("an SDXL inpainting checkpoint"));
    let (_keep, root) = copy("diffusers");
    set(&root.join("model_index.json"), "text_encoder", serde_json::json!([null, null]));
    assert!(refusal(&root).contains("an SDXL refiner"));
}

#[test]
fn config_values_that_sdxl_has_not_are_named() {
    let cases = [
        ("unet", "class_embed_type", serde_json::json!("projection"), "class_embed_type is \"projection\""),
        ("unet", "down_block_types", serde_json::json!(["DownBlock2D", "X", "DownBlock2D"]), "down_block_types is"),
        ("unet", "block_out_channels", serde_json::json!([8, 16]), "supported: a list of 3 numbers"),
        ("unet", "block_out_channels", serde_json::json!([8, 16, -8]), "block_out_channels is [8,16,-8]"),
        ("unet", "attention_head_dim", serde_json::json!(3), "attention_head_dim is 3"),
        ("unet", "norm_num_groups", serde_json::json!(0), "norm_num_groups is 0"),
        ("unet", "norm_num_groups", serde_json::json!(7), "norm_num_groups is 7"),
        ("unet", "transformer_layers_per_block", serde_json::json!([1, 1e9, 1]), "transformer_layers_per_block"),
        ("unet", "time_cond_proj_dim", serde_json::json!(256), "time_cond_proj_dim is 256; supported: null"),
        ("unet", "addition_embed_type", serde_json::json!(null), "supported: \"text_time\""),
        ("unet", "cross_attention_dim", serde_json::json!(2048), "cross_attention_dim is 2048"),
        ("vae", "latents_mean", serde_json::json!([0.0]), "latents_mean is [0.0]"),
        ("vae", "scaling_factor", serde_json::json!("big"), "scaling_factor is \"big\""),
        ("vae", "latent_channels", serde_json::json!(16), "latent_channels is 16"),
        ("text_encoder", "hidden_act", serde_json::json!("relu"), "hidden_act is \"relu\""),
        ("text_encoder_2", "num_attention_heads", serde_json::json!(7), "num_attention_heads is 7"),
        ("text_encoder_2", "vocab_size", serde_json::json!(u64::MAX), "vocab_size is 18446744073709551615"),
    ];
    for (part, key, value, words) in cases {
        let (_keep, root) = copy("diffusers");
        set(&root.join(part).join("config.json"), key, value);
        let message = refusal(&root);
        assert!(message.contains(words), "{part} {key}: {message}");
        assert!(message.contains(part) || message.contains("supported"), "{message}");
    }
    let (_keep, root) = copy("diffusers");
    set(&root.join("scheduler/scheduler_config.json"), "prediction_type", "sample".into());
    assert!(refusal(&root).contains("prediction_type is \"sample\"; supported: epsilon or v_prediction"));
}

#[test]
fn json_that_is_none_is_refused_on_one_line() {
    let (_keep, root) = copy("diffusers");
    for text in ["", "[1", "{\"a\":\n\"b}", "[]", "\u{1b}[31m"] {
        std::fs::write(root.join("model_index.json"), text).expect("written");
        assert!(refusal(&root).contains("model_index.json"), "{text:?}");
    }
    std::fs::write(root.join("model_index.json"), "[".repeat(1_000_000)).expect("written");
    refusal(&root);
    std::fs::write(root.join("model_index.json"), vec![b' '; (16 << 20) + 1]).expect("written");
    assert!(refusal(&root).contains("longer than"));
}

const INDEX: &str = "unet/diffusion_pytorch_model.safetensors.index.fp16.json";
const SHARD: &str = "diffusion_pytorch_model.fp16-00001-of-00002.safetensors";

#[test]
fn shards_stay_in_their_folder() {
    for shard in ["../vae/x.safetensors", "/etc/x.safetensors", "a\\b.safetensors", "C:x.safetensors", "..", "x.bin"] {
        let (_keep, root) = copy("diffusers-fp16");
        set(&root.join(INDEX), "weight_map", serde_json::json!({"a": shard}));
        let message = refusal(&root);
        assert!(message.contains("which is not a plain file name"), "{shard}: {message}");
    }
}

#[test]
fn shards_and_their_index_agree() {
    let (_keep, root) = copy("diffusers-fp16");
    set(&root.join(INDEX), "weight_map", serde_json::json!({"no.such.tensor": SHARD}));
    assert!(refusal(&root).ends_with(&format!("{INDEX} says that {SHARD} holds no.such.tensor, but it does not")));
    let (_keep, root) = copy("diffusers-fp16");
    let second = SHARD.replace("00001", "00002");
    std::fs::copy(root.join("unet").join(SHARD), root.join("unet").join(&second)).expect("a copy");
    assert!(refusal(&root).contains(&format!("{SHARD} and {second} both hold")));
    let (_keep, root) = copy("diffusers-fp16");
    std::fs::remove_file(root.join("unet").join(SHARD)).expect("removed");
    assert!(refusal(&root).contains("No such file"));
    let (_keep, root) = copy("diffusers-fp16");
    let many: serde_json::Map<_, _> = (0..300).map(|i| (i.to_string(), format!("{i}.safetensors").into())).collect();
    set(&root.join(INDEX), "weight_map", many.into());
    assert!(refusal(&root).contains("names 300 shards; at most 256"));
}

#[test]
fn old_and_new_spellings_of_names_are_read() {
    let (_keep, root) = copy("diffusers");
    let reference = Checkpoint::open(&root).expect("it opens");
    let (vae, text) =
        (root.join("vae/diffusion_pytorch_model.safetensors"), root.join("text_encoder/model.safetensors"));
    let rename = |path: &Path, pairs: &[(&str, &str)]| {
        let bytes = std::fs::read(path).expect("it is there");
        let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
        let mut header = String::from_utf8(bytes[8..8 + length].to_vec()).expect("text");
        for (new, old) in pairs {
            header = header.replace(new, old);
        }
        write_bytes(path, &crate::common::file_bytes(header.trim_end(), &bytes[8 + length..]));
    };
    rename(&vae, &[(".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value."), (".to_out.0.", ".proj_attn.")]);
    rename(&text, &[("text_model.", "")]);
    let renamed = Checkpoint::open(&root).expect("it opens");
    for part in [Part::Vae, Part::TextEncoder] {
        let targets = |c: &Checkpoint| -> Vec<String> {
            c.plan(part).expect("it plans").entries.into_iter().map(|e| e.target).collect()
        };
        assert_eq!(targets(&renamed), targets(&reference));
    }
    let names: Vec<String> =
        renamed.plan(Part::Vae).expect("it plans").entries.into_iter().map(|e| e.source.name).collect();
    assert!(names.iter().any(|name| name == "decoder.mid_block.attentions.0.proj_attn.weight"));
}

#[test]
fn one_name_in_two_spellings_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("text.safetensors");
    let shape = [4, 64];
    let tensors = ["", "text_model."].map(|p| zeros(&format!("{p}embeddings.token_embedding.weight"), "F16", &shape));
    let mut tensors = tensors.to_vec();
    tensors.push(zeros("embeddings.position_embedding.weight", "F16", &shape));
    tensors.push(zeros("encoder.layers.0.mlp.fc1.weight", "F16", &shape));
    write(&path, &tensors);
    let text = Checkpoint::open_part(Part::TextEncoder, &path, &OpenOptions::default()).expect("it opens");
    match text.plan(Part::TextEncoder) {
        Err(Error::Plan { source, .. }) => {
            assert!(source.unexpected.iter().any(|name| name.ends_with("token_embedding.weight")), "{source}");
        }
        other => panic!("{other:?}"),
    }
}

/// A tokenizer folder is used even if it contains no vocabulary.
#[test]
fn a_tokenizer_without_a_table_adds_to_clip_s() {
    let (_folder, root) = copy("diffusers");
    let of = |name: &str| {
        Checkpoint::open(&root).expect("it opens").tokenizer(match name {
            "tokenizer" => Part::TextEncoder,
            _ => Part::TextEncoder2,
        })
    };
    for name in ["tokenizer", "tokenizer_2"] {
        let folder = root.join(name);
        std::fs::remove_file(folder.join("merges.txt")).expect("it is there");
        // If half of the pair is missing, reading it is an error; CLIP's own is not used.
        let files = TokenizerFiles::VocabMerges { vocab: folder.join("vocab.json"), merges: folder.join("merges.txt") };
        assert_eq!(of(name), files);
        std::fs::remove_file(folder.join("vocab.json")).expect("it is there");
        assert_eq!(of(name), TokenizerFiles::Additions(folder.clone()));
        std::fs::remove_dir_all(folder).expect("it is there");
        assert_eq!(of(name), TokenizerFiles::BuiltIn);
    }
}

/// 2 is a former default without meaning. A token outside the table is rejected where it is used.
#[test]
fn the_end_of_the_text_is_clip_s_in_a_larger_table() {
    let end = |rows: u64, eos: serde_json::Value| {
        let (_folder, root) = copy("diffusers");
        let path = root.join("text_encoder_2/config.json");
        let mut config: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).expect("it is there")).expect("JSON");
        config["vocab_size"] = rows.into();
        config["eos_token_id"] = eos;
        std::fs::write(&path, config.to_string()).expect("written");
        let checkpoint = Checkpoint::open(&root)?;
        checkpoint.text_encoder(Part::TextEncoder2).map(|config| (config.eos_token_id, config.eos_token_is_given))
    };
    for (rows, eos, expected) in [
        (49408, 2.into(), (49407, false)),
        (49410, 2.into(), (49407, false)),
        (49410, serde_json::Value::Null, (49407, false)),
        (49410, 49407.into(), (49407, true)),
        (576, 2.into(), (575, false)),
    ] {
        assert_eq!(end(rows, eos).expect("it opens"), expected, "{rows} rows");
    }
    let error = end(576, 576.into()).expect_err("no such row").to_string();
    assert!(error.contains("eos_token_id") && error.contains("576"), "{error}");
}
