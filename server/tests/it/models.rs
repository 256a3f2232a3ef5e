//! `--model` with a folder of usable and unusable files, and the settings that a checkpoint recommends.

use crate::support::{TestServer, emberline, run};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new("../crates/sdxl/tests/fixtures").join(name)
}

/// A temporary folder of models.
struct Shelf(TempDir);

impl Shelf {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        path
    }

    fn text(&self) -> &str {
        self.0.path().to_str().expect("UTF-8")
    }

    fn with(self, name: &str, bytes: &[u8]) -> Self {
        fs::write(self.path(name), bytes).expect("written");
        self
    }

    /// Adds the tiny SDXL as one file.
    fn with_good(self, name: &str) -> Self {
        fs::copy(fixture("tiny/single-f16.safetensors"), self.path(name)).expect("a copy");
        self
    }

    /// Adds the tiny SDXL as a diffusers folder. `scheduler` is merged into its scheduler config.
    fn with_folder(self, name: &str, scheduler: &Value, sample_size: u32) -> Self {
        let root = self.path(name);
        copy(&fixture("tiny/diffusers"), &root);
        let edit = |file: &str, more: &Value| {
            let path = root.join(file);
            let mut config: Value = serde_json::from_slice(&fs::read(&path).expect("there")).expect("JSON");
            for (key, value) in more.as_object().expect("an object") {
                config[key] = value.clone();
            }
            fs::write(path, config.to_string()).expect("written");
        };
        edit("scheduler/scheduler_config.json", scheduler);
        edit("unet/config.json", &json!({"sample_size": sample_size}));
        self
    }

    /// Adds unusable files of the kinds found beside checkpoints.
    fn with_bad_neighbours(self) -> Self {
        let good = fs::read(fixture("tiny/single-f16.safetensors")).expect("the tiny model");
        let shelf = self
            .with("._good.safetensors", &[0x00, 0x05, 0x16, 0x07, 0x00, 0x02, 0x00, 0x00, b'M', b'a', b'c'])
            .with(
                "pointer.safetensors",
                b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 6938078334\n",
            )
            .with("empty.safetensors", b"")
            .with("cut.safetensors", &good[..good.len() - 1000])
            .with("lora.safetensors", &weights(&["lora_unet_mid.lora_down.weight", "lora_unet_mid.lora_up.weight"]))
            .with(
                "sd15.safetensors",
                &weights(&[
                    "model.diffusion_model.input_blocks.0.0.weight",
                    "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight",
                ]),
            )
            .with("old.ckpt", b"PK\x03\x04archive/data.pkl")
            .with("notes.txt", b"not a model")
            .with(".git/ignored.safetensors", b"");
        let vae = fixture("tiny/diffusers/vae/diffusion_pytorch_model.safetensors");
        fs::copy(vae, shelf.path("vae.safetensors")).expect("a copy");
        #[cfg(unix)]
        std::os::unix::fs::symlink("/nowhere/at/all", shelf.path("gone.safetensors")).expect("a link");
        shelf
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("there") {
        let entry = entry.expect("an entry");
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => _ = fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy"),
        }
    }
}

/// A safetensors file with these tensors, 4 x 4 values each.
fn weights(names: &[&str]) -> Vec<u8> {
    let data = [0; 64];
    let views = names.iter().map(|name| (*name, TensorView::new(Dtype::F32, vec![4, 4], &data).expect("it fits")));
    safetensors::serialize(views, None).expect("a file")
}

/// Each unusable file, and a word of the reason it is refused for.
const BAD: [(&str, &str); 8] = [
    ("._good.safetensors", "AppleDouble"),
    ("cut.safetensors", "cut short"),
    ("empty.safetensors", "is empty"),
    ("lora.safetensors", "a LoRA"),
    ("old.ckpt", "pickle"),
    ("pointer.safetensors", "Git LFS pointer"),
    ("sd15.safetensors", "Stable Diffusion 1"),
    ("vae.safetensors", "VAE"),
];

fn names(models: &Value) -> Vec<&str> {
    models.as_array().expect("a list").iter().map(|model| model["name"].as_str().expect("a name")).collect()
}

#[test]
fn bad_neighbours_stop_nothing_and_are_listed_with_the_reason() {
    let shelf =
        Shelf::new().with_good("good.safetensors").with_good("sub/deep/Other.SAFETENSORS").with_bad_neighbours();
    let server = TestServer::start_with(&["--device", "cpu", "--model", shelf.text()]);
    let models = server.get("/api/v1/models").json();
    assert_eq!(names(&models), ["good", "sub/deep/Other"]);
    assert_eq!(models[1]["refused"], json!([]));
    let refused = models[0]["refused"].as_array().expect("a list").clone();
    let reason_of = |name: &str| {
        let found = refused.iter().find(|it| it["name"] == name);
        found.unwrap_or_else(|| panic!("{name} in {refused:?}"))["reason"].as_str().expect("a reason")
    };
    for (name, word) in BAD {
        let reason = reason_of(name);
        assert!(reason.contains(word), "{name}: {reason}");
        assert!(!reason.contains(shelf.text()), "no place on the disk: {reason}");
    }
    let links = usize::from(cfg!(unix));
    assert_eq!(refused.len(), BAD.len() + links, "{refused:?}");

    // An offered model generates; a refused one cannot be chosen.
    let project = server.create("a");
    let ask = |model: &str| {
        let body = json!({"prompt": "x", "model": model, "width": 64, "height": 64, "steps": 1});
        server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &body)
    };
    assert_eq!(ask("lora").bad_fields(), ["model"]);
    server.wait_for_task(&ask("sub/deep/Other").json()["tasks"][0]["task_id"], "completed");

    let page = server.get(&format!("/projects/{}", project["id"])).text;
    assert!(page.contains("Not usable as models") && page.contains("lora.safetensors"), "{page}");
    let (status, log, _) = server.stop();
    assert!(status.success());
    for (name, _) in BAD {
        assert_eq!(log.matches(&format!("\"{name}\"")).count(), 1, "{name} is logged once:\n{log}");
    }
}

#[test]
fn the_names_are_the_same_at_every_start() {
    let shelf = Shelf::new().with_good("x.safetensors").with_good("x.SAFETENSORS").with_good("sub/x.safetensors");
    for _ in 0..2 {
        let server = TestServer::start_with(&["--device", "cpu", "--model", shelf.text()]);
        assert_eq!(names(&server.get("/api/v1/models").json()), ["x.SAFETENSORS", "x", "sub/x"]);
    }
}

#[test]
fn a_folder_with_nothing_good_is_one_clear_error() {
    let serve = |shelf: &Shelf| {
        let data = tempfile::tempdir().expect("a folder");
        let data = data.path().join("data").display().to_string();
        let output = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data, "--model", shelf.text()]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, text) = serve(&Shelf::new().with_bad_neighbours());
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("nothing in it can be used") && text.contains("empty.safetensors: is empty"), "{text}");
    let (status, text) = serve(&Shelf::new().with("notes.txt", b""));
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("there is no .safetensors file and no diffusers folder in it"), "{text}");
}

#[test]
fn doctor_and_inspect_describe_the_folder_too() {
    let shelf = Shelf::new().with_good("good.safetensors").with_bad_neighbours();
    let data = Shelf::new();
    let output = run(&["doctor", "--data-dir", data.text(), "--model", shelf.text()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("ok    model    good"), "{text}");
    assert!(text.contains("not offered: empty.safetensors: is empty"), "{text}");

    let output = run(&["inspect", shelf.text(), "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(names(&report["models"]), ["good"]);
    assert_eq!((&report["models"][0]["family"], &report["models"][0]["loadable"]), (&json!("sdxl"), &json!(true)));
    let refused: Vec<_> = report["refused"].as_array().expect("a list").iter().map(|it| &it["file"]).collect();
    for (name, _) in BAD {
        assert!(refused.contains(&&json!(name)), "{name} in {refused:?}");
    }
    let text = String::from_utf8_lossy(&run(&["inspect", shelf.text()]).stdout).into_owned();
    assert!(text.contains("good: ") && text.contains("not a model: lora.safetensors: this is a LoRA"), "{text}");
}

#[test]
fn a_model_that_vanishes_or_breaks_fails_its_task_in_words() {
    let shelf = Shelf::new().with_good("a.safetensors").with_good("b.safetensors").with_good("c.safetensors");
    let server = TestServer::start_with(&["--device", "cpu", "--model", shelf.text()]);
    fs::remove_file(shelf.path("b.safetensors")).expect("removed");
    fs::write(shelf.path("c.safetensors"), "oh").expect("broken");
    let project = server.create("a");
    for (model, word) in [("b", "No such file"), ("c", "is not a safetensors file")] {
        let body = json!({"prompt": "x", "model": model, "width": 64, "height": 64, "steps": 1});
        let answer = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &body);
        let id = &answer.json()["tasks"][0]["task_id"];
        server.wait_for_task(id, "failed");
        let error = server.get(&format!("/api/v1/tasks/{id}")).json()["error"].as_str().expect("words").to_owned();
        assert!(error.contains(&format!("the model {model} cannot be loaded")) && error.contains(word), "{error}");
    }
}

/// The same config as SDXL Turbo's folder.
fn turbo() -> Shelf {
    let scheduler = json!({
        "_class_name": "EulerAncestralDiscreteScheduler", "timestep_spacing": "trailing", "steps_offset": 1,
    });
    Shelf::new().with_folder("turbo", &scheduler, 64)
}

#[test]
fn a_checkpoints_own_settings_are_the_defaults_of_the_api_and_what_is_said_wins() {
    let shelf = turbo();
    let model = shelf.path("turbo").display().to_string();
    let server = TestServer::start_with(&["--device", "cpu", "--model", &model]);
    let models = server.get("/api/v1/models").json();
    let recommended = &models[0]["recommended"];
    let expected = json!({"width": 512, "height": 512, "steps": 30, "cfg_scale": 5.0, "cfg_rescale": 0.0,
        "sampler": "euler_ancestral", "scheduler": "trailing"});
    assert_eq!(recommended, &expected);
    assert_eq!(models[0]["notes"], json!([]));

    let project = server.create("a");
    let parameters = |more: Value| {
        let mut body = json!({"prompt": "x", "width": 64, "height": 64, "steps": 1});
        more.as_object().expect("an object").iter().for_each(|(name, value)| body[name] = value.clone());
        let answer = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &body);
        let id = answer.json()["tasks"][0]["task_id"].clone();
        server.get(&format!("/api/v1/tasks/{id}")).json()["parameters"].clone()
    };
    let left_out = parameters(json!({}));
    assert_eq!((&left_out["sampler"], &left_out["scheduler"]), (&json!("euler_ancestral"), &json!("trailing")));
    let said = parameters(json!({"sampler": "heun", "scheduler": "linspace"}));
    assert_eq!((&said["sampler"], &said["scheduler"]), (&json!("heun"), &json!("linspace")));
    let page = server.get("/").text;
    assert!(page.contains("value=\"512x512\" checked"), "the new project's form has the size");
    let page = server.get(&format!("/projects/{}", project["id"])).text;
    assert!(page.contains("Made for 512 × 512 pixels."), "the project is of another size");
}

#[test]
fn a_checkpoints_own_settings_are_the_command_lines_defaults() {
    let shelf = turbo();
    let (out, dump) = (shelf.path("out.png").display().to_string(), shelf.path("dump").display().to_string());
    let generate = |more: &[&str]| {
        let mut command = emberline();
        command.args(["generate", "--prompt", "x", "--seed", "1", "--device", "cpu", "--json", "--out", &out]);
        command.args(["--dump", &dump, "--model"]).arg(shelf.path("turbo")).args(["--steps", "1"]).args(more);
        let output = command.output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bytes = fs::read(&dump).expect("written");
        let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
        let sigmas = file.tensor("sigmas").expect("sigmas").data().as_chunks().0.iter();
        let sigmas: Vec<f32> = sigmas.map(|bytes| f32::from_le_bytes(*bytes)).collect();
        (serde_json::from_slice::<Value>(&output.stdout).expect("JSON"), sigmas)
    };
    let (report, sigmas) = generate(&[]);
    assert_eq!((&report["width"], &report["height"]), (&json!(512), &json!(512)));
    assert_eq!((&report["sampler"], &report["scheduler"]), (&json!("euler_ancestral"), &json!("trailing")));
    // diffusers' sigma of the last training timestep.
    assert!((sigmas[0] - 14.6146).abs() < 1e-3 && sigmas[1] == 0.0, "{sigmas:?}");
    let (report, sigmas) = generate(&["--scheduler", "leading", "--width", "64", "--height", "64"]);
    assert_eq!((&report["width"], &report["scheduler"]), (&json!(64), &json!("leading")));
    assert!((sigmas[0] - 0.0413).abs() < 1e-4, "{sigmas:?}");
}

#[test]
fn leading_takes_the_checkpoints_own_offset() {
    let shelf = Shelf::new().with_folder("model", &json!({"timestep_spacing": "leading", "steps_offset": 0}), 8);
    let dump = shelf.path("dump").display().to_string();
    let out = shelf.path("out.png").display().to_string();
    let mut command = emberline();
    command.args(["generate", "--prompt", "x", "--device", "cpu", "--steps", "1", "--out", &out, "--dump", &dump]);
    let output = command.arg("--model").arg(shelf.path("model")).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = fs::read(&dump).expect("written");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let first = file.tensor("sigmas").expect("sigmas").data().first_chunk().map(|bytes| f32::from_le_bytes(*bytes));
    assert!(first.is_some_and(|sigma| (sigma - 0.0292).abs() < 1e-4), "{first:?}");
}

#[test]
fn inspect_prints_the_source_of_each_setting() {
    let shelf = turbo();
    let model = shelf.path("turbo").display().to_string();
    let output = run(&["inspect", &model, "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let recommended = &report["recommended"];
    for (field, value, source) in [
        ("width", json!(512), "UNet sample_size"),
        ("height", json!(512), "UNet sample_size"),
        ("steps", json!(30), "Emberline's default"),
        ("cfg_scale", json!(5.0), "Emberline's default"),
        ("cfg_rescale", json!(0.0), "Emberline's default"),
        ("sampler", json!("euler_ancestral"), "scheduler_config.json _class_name"),
        ("scheduler", json!("trailing"), "scheduler_config.json timestep_spacing"),
        ("prediction", json!("epsilon"), "scheduler_config.json prediction_type"),
    ] {
        assert_eq!(recommended[field], json!({"value": value, "source": source}), "{field}");
    }
    let text = String::from_utf8_lossy(&run(&["inspect", &model]).stdout).into_owned();
    for line in ["512 x 512          UNet sample_size", "trailing           scheduler_config.json timestep_spacing"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn what_a_checkpoint_does_not_get_is_said_everywhere() {
    let shelf = Shelf::new().with_folder("pndm", &json!({"_class_name": "PNDMScheduler", "skip_prk_steps": true}), 8);
    let model = shelf.path("pndm").display().to_string();
    let words = "PNDMScheduler, which Emberline has no sampler for";
    let text = String::from_utf8_lossy(&run(&["inspect", &model]).stdout).into_owned();
    assert!(text.contains(words), "{text}");
    let out = shelf.path("out.png").display().to_string();
    let generate = |more: &[&str]| {
        let arguments =
            ["generate", "--prompt", "x", "--device", "cpu", "--model", &model, "--out", &out, "--steps", "1"];
        let output = run(&[&arguments[..], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(generate(&[]).contains(words));
    assert!(!generate(&["--sampler", "euler"]).contains(words), "what was chosen needs no warning");
    let server = TestServer::start_with(&["--device", "cpu", "--model", &model]);
    let notes = server.get("/api/v1/models").json()[0]["notes"].to_string();
    assert!(notes.contains(words), "{notes}");
    let (_, log, _) = server.stop();
    assert!(log.contains(words), "{log}");
}

#[test]
fn generate_takes_the_only_checkpoint_of_a_folder_and_asks_among_several() {
    let shelf = Shelf::new().with_good("good.safetensors").with("empty.safetensors", b"");
    let out = shelf.path("out.png").display().to_string();
    let generate = || {
        let size = ["--width", "64", "--height", "64", "--steps", "1", "--json"];
        let arguments = ["generate", "--prompt", "x", "--device", "cpu", "--model", shelf.text(), "--out", &out];
        run(&[&arguments[..], &size[..]].concat())
    };
    let output = generate();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["model"], json!(shelf.path("good.safetensors")));
    assert!(String::from_utf8_lossy(&output.stderr).contains("empty.safetensors"));

    fs::copy(shelf.path("good.safetensors"), shelf.path("other.safetensors")).expect("a copy");
    let output = generate();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("2 checkpoints") && text.contains("other.safetensors"), "{text}");
}

/// A VAE with another number of latent channels loads without an error, and decoding the picture panics.
#[test]
fn a_vae_of_another_model_family_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let vae = folder.path().join("vae");
    copy(&fixture("tiny/diffusers/vae"), &vae);
    let config = fs::read_to_string(vae.join("config.json")).expect("its config");
    let mut config: Value = serde_json::from_str(&config).expect("JSON");
    config["latent_channels"] = json!(16);
    fs::write(vae.join("config.json"), config.to_string()).expect("written");
    let model = fixture("tiny/diffusers");
    for (arguments, out) in [(&["serve", "--data-dir"][..], "data"), (&["generate", "--prompt", "a", "--out"], "a.png")]
    {
        let out = folder.path().join(out);
        let output = emberline().args(arguments).arg(&out).arg("--model").arg(&model).arg("--vae").arg(&vae).output();
        let output = output.expect("the binary starts");
        let received = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{received}");
        assert!(received.contains("its latents have 16 channels; SDXL's have 4"), "{received}");
    }
}

/// SD 1's VAE has the same shapes as SDXL's, and makes pale pictures with false colours.
#[test]
fn a_vae_for_other_latents_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let vae = folder.path().join("vae");
    copy(&fixture("tiny/diffusers/vae"), &vae);
    let config = fs::read_to_string(vae.join("config.json")).expect("its config");
    let mut config: Value = serde_json::from_str(&config).expect("JSON");
    for said in [Some(0.18215), None] {
        // diffusers' default is SD 1's too.
        match said {
            Some(factor) => config["scaling_factor"] = json!(factor),
            None => _ = config.as_object_mut().expect("an object").remove("scaling_factor"),
        }
        fs::write(vae.join("config.json"), config.to_string()).expect("written");
        let model = fixture("tiny/diffusers");
        for (arguments, out) in
            [(&["serve", "--data-dir"][..], "data"), (&["generate", "--prompt", "a", "--out"], "a.png")]
        {
            let out = folder.path().join(out);
            let output =
                emberline().args(arguments).arg(&out).arg("--model").arg(&model).arg("--vae").arg(&vae).output();
            let output = output.expect("the binary starts");
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{text}");
            assert!(text.contains("it decodes other latents: its scaling_factor is 0.18215"), "{text}");
        }
    }
}

#[test]
fn a_broken_tokenizer_is_listed_with_the_reason_and_not_offered() {
    let shelf = Shelf::new().with_good("good.safetensors");
    for name in ["cut", "gone", "other"] {
        copy(&fixture("tiny/diffusers"), &shelf.path(name));
    }
    let vocab = shelf.path("cut/tokenizer/vocab.json");
    let whole = fs::read(&vocab).expect("there");
    fs::write(&vocab, &whole[..whole.len() / 2]).expect("cut");
    fs::remove_file(shelf.path("gone/tokenizer_2/merges.txt")).expect("removed");
    // The token that ends a text has no row in the table of embeddings.
    let mut table: Value = serde_json::from_slice(&whole).expect("JSON");
    table["<|endoftext|>"] = json!(9_999_999);
    fs::write(shelf.path("other/tokenizer/vocab.json"), table.to_string()).expect("written");
    let server = TestServer::start_with(&["--device", "cpu", "--model", shelf.text()]);
    let models = server.get("/api/v1/models").json();
    assert_eq!(names(&models), ["good"], "{models}");
    for (name, words) in
        [("cut", "tokenizer/vocab.json"), ("gone", "tokenizer_2/merges.txt"), ("other", "has no token `<|endoftext|>`")]
    {
        let refused = models[0]["refused"].as_array().expect("a list").iter().find(|one| one["name"] == name);
        let reason = refused.unwrap_or_else(|| panic!("{name}: {models}"))["reason"].as_str().expect("a reason");
        assert!(reason.contains(words) && !reason.contains('\n'), "{name}: {reason}");
        let text =
            String::from_utf8_lossy(&run(&["inspect", &shelf.path(name).display().to_string()]).stdout).into_owned();
        assert!(text.contains("loadable    no") && text.contains(words), "{text}");
    }
}

#[test]
fn a_part_that_is_not_used_is_said_everywhere() {
    let shelf = Shelf::new();
    copy(&fixture("tiny/diffusers"), &shelf.path("controlled"));
    let index = shelf.path("controlled/model_index.json");
    let mut parts: Value = serde_json::from_slice(&fs::read(&index).expect("there")).expect("JSON");
    parts["controlnet"] = json!(["diffusers", "ControlNetModel"]);
    fs::write(&index, parts.to_string()).expect("written");
    let model = shelf.path("controlled").display().to_string();
    let words = "model_index.json lists controlnet (ControlNetModel), which is not used: pictures are made without it";
    let text = String::from_utf8_lossy(&run(&["inspect", &model]).stdout).into_owned();
    assert!(text.contains(words), "{text}");
    let inspected: Value = serde_json::from_slice(&run(&["inspect", "--json", &model]).stdout).expect("JSON");
    assert!(inspected["recommended"]["notes"].to_string().contains(words), "{inspected}");
    let out = shelf.path("out.png").display().to_string();
    let arguments = ["generate", "--prompt", "x", "--device", "cpu", "--model", &model, "--out", &out, "--steps", "1"];
    let output = run(&[&arguments[..], &["--json"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(report["warnings"].to_string().contains(words), "{report}");
    let server = TestServer::start_with(&["--device", "cpu", "--model", &model]);
    let models = server.get("/api/v1/models").json();
    assert!(models[0]["notes"].to_string().contains(words), "{models}");
}
