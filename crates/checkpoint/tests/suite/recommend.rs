//! A checkpoint's recommended settings, against diffusers' reading of the same scheduler_config.json.

use crate::common::{models, single_file_tensors, write_sparse_with};
use checkpoint::{Checkpoint, Note, OpenOptions, Recommendation, Said, TimestepSpacing, inspect};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A copy of the tiny diffusers folder, whose configs a test can change.
struct Folder {
    _keep: TempDir,
    root: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let keep = tempfile::tempdir().expect("a folder");
        let root = keep.path().join("model");
        copy(&models().join("tiny/diffusers"), &root);
        Self { _keep: keep, root }
    }

    fn with_scheduler(self, config: &Value) -> Self {
        fs::write(self.root.join("scheduler/scheduler_config.json"), config.to_string()).expect("written");
        self
    }

    /// Changes a key of unet/config.json; null removes it.
    fn with_unet(self, key: &str, value: Value) -> Self {
        let path = self.root.join("unet/config.json");
        let mut config: Map<String, Value> =
            serde_json::from_slice(&fs::read(&path).expect("there")).expect("an object");
        config.insert(key.to_owned(), value);
        fs::write(path, Value::Object(config).to_string()).expect("written");
        self
    }

    fn open(&self) -> Checkpoint {
        Checkpoint::open(&self.root).expect("it opens")
    }

    fn said(&self) -> Recommendation {
        self.open().recommendation().clone()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder is made");
    for entry in fs::read_dir(from).expect("the model is there") {
        let entry = entry.expect("an entry");
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => _ = fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy"),
        }
    }
}

fn value<T: Copy>(said: &Option<Said<T>>) -> Option<T> {
    said.as_ref().map(|said| said.value)
}

fn notes_on(said: &Recommendation, field: &str) -> Vec<String> {
    said.notes.iter().filter(|note| note.field == field).map(|note| note.text.clone()).collect()
}

/// The file written by `crates/diffusion/tests/reference/spacings.py`.
#[derive(Deserialize)]
struct Reference {
    defaults: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    config: Value,
    sampler: String,
    schedule: Option<String>,
    near: Option<String>,
}

fn reference() -> Reference {
    let text = fs::read_to_string("../diffusion/tests/reference/spacings.json").expect("the fixture is there");
    serde_json::from_str(&text).expect("its form")
}

#[test]
fn each_config_of_diffusers_is_given_the_sampler_and_the_schedule_whose_sigmas_are_its_own() {
    let folder = Folder::new();
    let mut seen = Vec::new();
    for Case { config, sampler, schedule, near } in reference().cases {
        if seen.contains(&config) {
            continue;
        }
        fs::write(folder.root.join("scheduler/scheduler_config.json"), config.to_string()).expect("written");
        let checkpoint = folder.open();
        let said = checkpoint.recommendation();
        assert_eq!(value(&said.sampler), Some(sampler.as_str()), "{config}");
        assert_eq!(value(&said.schedule), schedule.as_deref().or(near.as_deref()), "{config}");
        let offset = config["steps_offset"].as_u64().unwrap_or(0);
        assert_eq!(checkpoint.scheduler().steps_offset as u64, offset, "{config}");
        // Equal levels need no note; different ones have one.
        assert_eq!(notes_on(said, "scheduler").len(), usize::from(near.is_some()), "{config}: {:?}", said.notes);
        seen.push(config);
    }
    assert!(seen.len() > 50, "{} configs", seen.len());
}

#[test]
fn what_a_config_leaves_out_is_its_classs_own_default() {
    for (class, defaults) in reference().defaults {
        // Cannot be loaded (linear betas), but can be described.
        let folder = Folder::new().with_scheduler(&json!({"_class_name": class}));
        let report = inspect(&folder.root, &OpenOptions::default()).expect("a report");
        let scheduler = serde_json::to_value(report.scheduler.expect("a schedule")).expect("JSON");
        for key in ["beta_start", "beta_end", "beta_schedule"] {
            assert_eq!(scheduler[key], defaults[key], "{class} {key}");
        }
        if !defaults["timestep_spacing"].is_null() {
            assert_eq!(scheduler["timestep_spacing"], defaults["timestep_spacing"], "{class}");
            assert_eq!(scheduler["steps_offset"], defaults["steps_offset"], "{class}");
        }
    }
}

#[test]
fn sdxl_turbos_folder_is_512_pixels_ancestral_and_trailing() {
    let config = json!({"_class_name": "EulerAncestralDiscreteScheduler", "beta_schedule": "scaled_linear",
        "beta_start": 0.00085, "beta_end": 0.012, "timestep_spacing": "trailing", "steps_offset": 1,
        "clip_sample": false, "set_alpha_to_one": false, "skip_prk_steps": true, "prediction_type": "epsilon"});
    let said = Folder::new().with_scheduler(&config).with_unet("sample_size", json!(64)).said();
    let expected = Recommendation {
        size_px: Some(Said { value: [512, 512], source: "UNet sample_size".into() }),
        sampler: Some(Said { value: "euler_ancestral", source: "scheduler_config.json _class_name".into() }),
        schedule: Some(Said { value: "trailing", source: "scheduler_config.json timestep_spacing".into() }),
        notes: Vec::new(),
    };
    assert_eq!(said, expected);
}

/// As saved by diffusers: `-Infinity` is not JSON.
#[test]
fn a_dpm_solver_as_diffusers_saves_it_opens() {
    let text = r#"{"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++",
        "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "euler_at_final": false,
        "lambda_min_clipped": -Infinity, "solver_order": 2, "solver_type": "midpoint", "thresholding": false,
        "timestep_spacing": "leading", "steps_offset": 1, "use_karras_sigmas": true, "use_lu_lambdas": false}"#;
    let folder = Folder::new();
    fs::write(folder.root.join("scheduler/scheduler_config.json"), text).expect("written");
    let said = folder.said();
    assert_eq!((value(&said.sampler), value(&said.schedule)), (Some("dpmpp_2m_sde"), Some("karras")));
    assert_eq!(said.sampler.expect("said").source, "scheduler_config.json _class_name and algorithm_type");
    assert_eq!(said.schedule.expect("said").source, "scheduler_config.json use_karras_sigmas");
    assert_eq!(said.notes, Vec::<Note>::new());
}

#[test]
fn what_emberline_has_not_is_said_of_each_class() {
    let cases = [
        (json!({"_class_name": "TCDScheduler"}), Some("tcd"), "steps", "2 to 8 steps"),
        (json!({"_class_name": "LCMScheduler", "original_inference_steps": 20}), Some("lcm"), "scheduler", "for 50"),
        (json!({"_class_name": "DEISMultistepScheduler"}), None, "sampler", "DEISMultistepScheduler"),
        (json!({"_class_name": "NewScheduler"}), None, "sampler", "NewScheduler"),
        (json!({"_class_name": "LCMScheduler"}), Some("lcm"), "steps", "2 to 8 steps"),
        (
            json!({"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3}),
            Some("dpmpp_2m"),
            "sampler",
            "order 3",
        ),
        (
            json!({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver"}),
            Some("dpmpp_2m"),
            "sampler",
            "dpmsolver",
        ),
        (
            json!({"_class_name": "DPMSolverMultistepScheduler", "use_lu_lambdas": true}),
            Some("dpmpp_2m"),
            "scheduler",
            "use_lu_lambdas",
        ),
        (json!({"_class_name": "UniPCMultistepScheduler"}), Some("uni_pc"), "sampler", "order 2 with bh2"),
        (
            json!({"_class_name": "EulerDiscreteScheduler", "final_sigmas_type": "sigma_min"}),
            Some("euler"),
            "scheduler",
            "sigma_min",
        ),
        (
            json!({"_class_name": "DDIMScheduler", "set_alpha_to_one": false}),
            Some("ddim"),
            "scheduler",
            "set_alpha_to_one",
        ),
        (json!({"_class_name": "DDIMScheduler", "clip_sample": true}), Some("ddim"), "sampler", "clip_sample"),
        (json!({"_class_name": "DDIMScheduler"}), Some("ddim"), "sampler", "clip_sample"),
        (json!({"_class_name": "HeunDiscreteScheduler", "clip_sample": true}), Some("heun"), "sampler", "clip_sample"),
        (
            json!({"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -1.5}),
            Some("dpmpp_2m"),
            "scheduler",
            "lambda_min_clipped",
        ),
        (
            json!({"_class_name": "UniPCMultistepScheduler", "predict_x0": false}),
            Some("uni_pc"),
            "sampler",
            "predict_x0",
        ),
        (
            json!({"_class_name": "UniPCMultistepScheduler", "disable_corrector": [0, 1]}),
            Some("uni_pc"),
            "sampler",
            "disable_corrector",
        ),
    ];
    for (config, sampler, field, words) in cases {
        let mut whole = json!({"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012});
        whole.as_object_mut().expect("an object").extend(config.as_object().expect("an object").clone());
        let said = Folder::new().with_scheduler(&whole).said();
        assert_eq!(value(&said.sampler), sampler, "{config}");
        assert!(notes_on(&said, field).iter().any(|note| note.contains(words)), "{config}: {:?}", said.notes);
    }
}

#[test]
fn a_network_without_timesteps_is_refused() {
    let config = json!({"_class_name": "EulerDiscreteScheduler", "beta_schedule": "scaled_linear",
        "timestep_type": "continuous", "prediction_type": "v_prediction"});
    let error = Checkpoint::open(&Folder::new().with_scheduler(&config).root).expect_err("refused").to_string();
    assert!(error.contains("timestep_type is \"continuous\"; supported: \"discrete\""), "{error}");
}

#[test]
fn keys_that_change_nothing_for_sdxl_are_not_noted() {
    for config in [
        json!({"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -5.1, "use_flow_sigmas": false}),
        json!({"_class_name": "UniPCMultistepScheduler", "disable_corrector": [], "solver_p": null, "predict_x0": true}),
        json!({"_class_name": "HeunDiscreteScheduler"}),
        json!({"_class_name": "DDPMScheduler", "clip_sample": false}),
    ] {
        let notes = Folder::new().with_scheduler(&config).said().notes;
        let words = ["lambda_min_clipped", "flow", "corrector", "solver_p", "predict_x0", "clip_sample"];
        assert!(!notes.iter().any(|note| words.iter().any(|word| note.text.contains(word))), "{config}: {notes:?}");
    }
}

#[test]
fn flow_sigmas_are_refused_where_diffusers_would_use_them() {
    let config = json!({"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": true});
    let error = Checkpoint::open(&Folder::new().with_scheduler(&config).root).expect_err("refused").to_string();
    assert!(error.contains("use_flow_sigmas is true; supported: false"), "{error}");
    let ignored = json!({"_class_name": "EulerDiscreteScheduler", "use_flow_sigmas": true});
    assert_eq!(value(&Folder::new().with_scheduler(&ignored).said().sampler), Some("euler"));
}

#[test]
fn the_size_is_the_unets_sample_size_times_eight() {
    for (sample_size, size) in
        [(json!(128), Some([1024, 1024])), (json!([96, 128]), Some([1024, 768])), (Value::Null, None)]
    {
        let said = Folder::new().with_unet("sample_size", sample_size.clone()).said();
        assert_eq!((value(&said.size_px), said.notes.len()), (size, 0), "{sample_size}");
    }
    for wrong in [json!(0), json!("big"), json!([1, 2, 3]), json!(-8), json!(u64::MAX), json!(1.5)] {
        let said = Folder::new().with_unet("sample_size", wrong.clone()).said();
        assert_eq!((value(&said.size_px), notes_on(&said, "size").len()), (None, 1), "{wrong}");
    }
}

#[test]
fn a_single_files_metadata_count() {
    let size = |metadata: &[(&str, &str)]| {
        let said = single(metadata, &[]);
        (value(&said.size_px), said.size_px.map(|said| said.source), said.notes.len())
    };
    let modelspec = ("modelspec.resolution", "768x1344");
    assert_eq!(size(&[modelspec]), (Some([768, 1344]), Some("metadata modelspec.resolution".into()), 0));
    assert_eq!(size(&[("ss_resolution", "(512, 768)")]), (Some([512, 768]), Some("metadata ss_resolution".into()), 0));
    assert_eq!(size(&[modelspec, ("ss_resolution", "512")]).0, Some([768, 1344]));
    assert_eq!(size(&[("modelspec.resolution", "large")]), (None, None, 1));
    assert_eq!(size(&[("modelspec.resolution", "99999999999999999999x8")]), (None, None, 1));
    assert_eq!(size(&[]), (None, None, 0));
    assert_eq!(value(&single(&[], &[]).schedule), None);
    let rescaled = single(&[], &["v_pred", "ztsnr"]).schedule.expect("said");
    assert_eq!((rescaled.value, rescaled.source.as_str()), ("trailing", "zero terminal SNR"));
    let rescaled = single(&[("ss_zero_terminal_snr", "True")], &[]);
    assert_eq!(value(&rescaled.schedule), Some("trailing"));
}

#[test]
fn scheduler_configs_own_spacing_is_read_too() {
    let config = json!({"_class_name": "DDPMScheduler", "beta_schedule": "scaled_linear"});
    let checkpoint = Folder::new().with_scheduler(&config).open();
    assert_eq!(checkpoint.scheduler().timestep_spacing, TimestepSpacing::Leading);
    let schedule = checkpoint.recommendation().schedule.clone().expect("said");
    assert_eq!(schedule.source, "the default timestep_spacing of DDPMScheduler");
}

/// The recommendation of a single file with this metadata and these additional tensors.
fn single(metadata: &[(&str, &str)], marks: &[&str]) -> Recommendation {
    let keep = tempfile::tempdir().expect("a folder");
    let path = keep.path().join("model.safetensors");
    let mut tensors = single_file_tensors("F16");
    tensors.extend(marks.iter().map(|name| ((*name).to_owned(), "F32", vec![1])));
    write_sparse_with(&path, &tensors, metadata);
    Checkpoint::open(&path).expect("it opens").recommendation().clone()
}

/// Changes a JSON file of a folder.
fn edit(root: &Path, file: &str, change: impl FnOnce(&mut Map<String, Value>)) {
    let path = root.join(file);
    let mut map: Map<String, Value> = serde_json::from_slice(&fs::read(&path).expect("there")).expect("an object");
    change(&mut map);
    fs::write(path, Value::Object(map).to_string()).expect("written");
}

#[test]
fn parts_that_are_not_used_are_noted() {
    let folder = Folder::new();
    assert!(folder.said().notes.is_empty(), "nothing but SDXL's own parts");
    edit(&folder.root, "model_index.json", |index| {
        index.insert("_class_name".into(), json!("StableDiffusionXLControlNetPipeline"));
        index.insert("controlnet".into(), json!(["diffusers", "ControlNetModel"]));
        index.insert("adapter".into(), json!(["diffusers", "T2IAdapter"]));
        index.insert("my\u{1b}thing".into(), json!(["x", "y".repeat(500)]));
        index.insert("image_encoder".into(), json!([null, null]));
        index.insert("feature_extractor".into(), json!(["transformers", "CLIPImageProcessor"]));
        index.insert("unet".into(), json!(["custom", "MyUNet"]));
    });
    edit(&folder.root, "vae/config.json", |config| _ = config.insert("scaling_factor".into(), json!(0.18215)));
    let notes = notes_on(&folder.said(), "model");
    for words in [
        "is for StableDiffusionXLControlNetPipeline; pictures are made as by StableDiffusionXLPipeline instead",
        "lists controlnet (ControlNetModel), which is not used: pictures are made without it",
        "lists adapter (T2IAdapter), which is not used",
        "its unet is of the class MyUNet, and is read as UNet2DConditionModel",
        "its VAE has scaling_factor 0.18215",
    ] {
        assert!(notes.iter().any(|note| note.contains(words)), "{words}: {notes:?}");
    }
    assert_eq!(notes.len(), 6, "{notes:?}");
    assert!(notes.iter().all(|note| note.len() < 250 && !note.contains('\u{1b}')), "{notes:?}");
}

#[test]
fn a_long_list_of_parts_is_cut_with_their_number() {
    let folder = Folder::new();
    edit(&folder.root, "model_index.json", |index| {
        (0..200).for_each(|n| _ = index.insert(format!("part{n}"), json!(["x", "Y"])));
    });
    let notes = notes_on(&folder.said(), "model");
    assert_eq!(notes.len(), 11);
    assert!(notes[10].contains("190 more components"), "{notes:?}");
}
