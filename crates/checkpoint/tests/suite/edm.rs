//! Folders of models over continuous noise levels: Playground 2.5 and CosXL.

use crate::common::models;
use checkpoint::{Checkpoint, Error, ModelSampling, Prediction};
use serde_json::{Value, json};
use std::{fs, path::Path};

const PLAYGROUND: ModelSampling = ModelSampling::Edm {
    sigma_data: 0.5,
    sigma_min: 0.002,
    sigma_max: 80.0,
    latents_mean: [-1.6574, 1.886, -1.383, 2.5155],
    latents_std: [8.4927, 5.9022, 6.5498, 5.2299],
};

/// The keys of Playground 2.5's vae/config.json.
fn statistics() -> Value {
    json!({"latents_mean": [-1.6574, 1.886, -1.383, 2.5155], "latents_std": [8.4927, 5.9022, 6.5498, 5.2299],
        "scaling_factor": 0.5})
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder is made");
    for entry in fs::read_dir(from).expect("a folder") {
        let (path, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("an entry");
        if path.is_dir() { copy(&path, &target) } else { _ = fs::copy(path, target).expect("a copy") }
    }
}

/// Opens the tiny folder with this scheduler and these keys of the VAE.
fn folder(scheduler: &Value, vae: &Value) -> Result<Checkpoint, Error> {
    let keep = tempfile::tempdir().expect("a folder");
    let root = keep.path().join("model");
    copy(&models().join("tiny/diffusers"), &root);
    fs::write(root.join("scheduler/scheduler_config.json"), scheduler.to_string()).expect("written");
    let path = root.join("vae/config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).expect("there")).expect("JSON");
    config.as_object_mut().expect("an object").extend(vae.as_object().expect("an object").clone());
    fs::write(&path, config.to_string()).expect("written");
    Checkpoint::open(&root)
}

#[test]
fn diffusers_edm_schedulers_and_statistics_are_read() {
    for (class, sampler, schedule, config) in [
        ("EDMEulerScheduler", "euler", "karras", json!({})),
        ("EDMDPMSolverMultistepScheduler", "dpmpp_2m", "karras", json!({"sigma_schedule": "karras"})),
        ("EDMEulerScheduler", "euler", "exponential", json!({"sigma_schedule": "exponential"})),
    ] {
        let mut config = config;
        config["_class_name"] = class.into();
        let checkpoint = folder(&config, &statistics()).expect("it opens");
        let scheduler = checkpoint.scheduler();
        assert_eq!((scheduler.sampling, scheduler.prediction_type), (PLAYGROUND, Prediction::Epsilon), "{class}");
        let said = checkpoint.recommendation();
        let names = [&said.sampler, &said.schedule].map(|said| said.as_ref().map(|said| said.value));
        assert_eq!(names, [Some(sampler), Some(schedule)], "{class}");
        assert_eq!(said.notes, [], "{class}");
    }
    let cosxl = json!({"_class_name": "EDMEulerScheduler", "sigma_max": 120.0, "sigma_data": 1.0,
        "prediction_type": "v_prediction", "sigma_schedule": "exponential"});
    let cosxl = folder(&cosxl, &json!({})).expect("it opens");
    let scheduler = cosxl.scheduler();
    let sampling = ModelSampling::ContinuousV { sigma_min: 0.002, sigma_max: 120.0 };
    assert_eq!((scheduler.sampling, scheduler.prediction_type), (sampling, Prediction::V));
}

#[test]
fn edm_configs_that_are_not_valid_are_refused() {
    let edm = json!({"_class_name": "EDMEulerScheduler"});
    let message = |scheduler: &Value, vae: &Value| folder(scheduler, vae).map(|_| ()).expect_err("refused").to_string();
    for (key, value) in [
        ("sigma_min", json!(0)),
        ("sigma_max", json!(0.001)),
        ("sigma_data", json!("half")),
        ("prediction_type", json!("sample")),
        ("sigma_schedule", json!("linear")),
    ] {
        let mut config = edm.clone();
        config[key] = value;
        assert!(message(&config, &statistics()).contains(key), "{key}");
    }
    for (key, value) in [
        ("latents_mean", json!(null)),
        ("latents_mean", json!([1, 2, 3])),
        ("latents_mean", json!([1, 2, 3, "4"])),
        ("latents_std", json!(null)),
        ("latents_std", json!([1, 2, 3, 0])),
        ("latents_std", json!(2)),
        ("scaling_factor", json!(0.13025)),
    ] {
        let mut vae = statistics();
        vae[key] = value;
        assert!(message(&edm, &vae).contains(key), "{key}");
    }
    let v = json!({"_class_name": "EDMEulerScheduler", "prediction_type": "v_prediction"});
    assert!(message(&v, &json!({})).contains("sigma_data is absent; supported: 1 for v_prediction"));
    let euler = json!({"_class_name": "EulerDiscreteScheduler", "beta_schedule": "scaled_linear"});
    assert!(message(&euler, &statistics()).contains("null, except with an EDM scheduler"));
}
