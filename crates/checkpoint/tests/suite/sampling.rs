//! How a single file's marks say what the model predicts.

use crate::common::{T, bytes_of, floats, tiny_tensors, write_bytes, zeros};
use checkpoint::{
    Checkpoint, Error, ModelSampling, OpenOptions, Prediction, PredictionSource, SchedulerConfig, inspect,
};

/// The tiny model with marks.
fn open(marks: &[T], metadata: &[(&str, &str)]) -> Result<Checkpoint, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    write_bytes(&path, &bytes_of(&[tiny_tensors(), marks.to_vec()].concat(), metadata));
    let checkpoint = Checkpoint::open(&path)?;
    let report = inspect(&path, &OpenOptions::default()).expect("a report");
    assert!(report.loadable, "{:?}", report.problems);
    assert_eq!(report.scheduler.as_ref(), Some(checkpoint.scheduler()));
    Ok(checkpoint)
}

fn scheduler(marks: &[T], metadata: &[(&str, &str)]) -> SchedulerConfig {
    open(marks, metadata).expect("it opens").scheduler().clone()
}

fn tensor(name: &str) -> PredictionSource {
    PredictionSource::Tensor(name.to_owned())
}

fn mark(name: &str) -> T {
    zeros(name, "F32", &[0])
}

const MEAN: [f32; 4] = [-1.6574, 1.886, -1.383, 2.5155];
const STD: [f32; 4] = [8.4927, 5.9022, 6.5498, 5.2299];

#[test]
fn marks_are_read_in_comfyuis_order() {
    let edm = || vec![floats("edm_mean", &[1, 4, 1, 1], &MEAN), floats("edm_std", &[1, 4, 1, 1], &STD)];
    let cosxl = || vec![floats("edm_vpred.sigma_max", &[], &[120.0]), floats("edm_vpred.sigma_min", &[], &[0.002])];
    let v = || vec![mark("v_pred"), mark("ztsnr")];
    let playground = scheduler(&[edm(), cosxl(), v()].concat(), &[("modelspec.prediction_type", "v")]);
    assert_eq!(
        playground.sampling,
        ModelSampling::Edm {
            sigma_data: 0.5,
            sigma_min: 0.002,
            sigma_max: 80.0,
            latents_mean: MEAN.map(f64::from),
            latents_std: STD.map(f64::from),
        }
    );
    assert_eq!(playground.prediction_source, tensor("edm_mean"));
    let continuous = scheduler(&[cosxl(), v()].concat(), &[]);
    let sigma_min = f64::from(0.002f32);
    assert_eq!(continuous.sampling, ModelSampling::ContinuousV { sigma_min, sigma_max: 120.0 });
    assert_eq!(
        (continuous.prediction_type, continuous.prediction_source),
        (Prediction::V, tensor("edm_vpred.sigma_max"))
    );
    let only_max = scheduler(&[floats("edm_vpred.sigma_max", &[1], &[120.0])], &[]);
    assert_eq!(only_max.sampling, ModelSampling::ContinuousV { sigma_min: 0.002, sigma_max: 120.0 });
    let discrete = scheduler(&v(), &[("modelspec.prediction_type", "epsilon")]);
    assert_eq!((discrete.sampling, discrete.prediction_type), (ModelSampling::Discrete, Prediction::V));
    assert!(discrete.rescale_betas_zero_snr);
    assert_eq!(discrete.prediction_source, tensor("v_pred"));
    let bare = scheduler(&[mark("v_pred")], &[]);
    assert!(!bare.rescale_betas_zero_snr);
}

#[test]
fn metadata_is_read_where_no_tensor_tells() {
    let metadata = |key: &str| PredictionSource::Metadata(key.to_owned());
    for (pairs, prediction, zero_snr, source) in [
        (&[("modelspec.prediction_type", "v")][..], Prediction::V, false, metadata("modelspec.prediction_type")),
        (
            &[("modelspec.prediction_type", "epsilon"), ("ss_v_parameterization", "True")],
            Prediction::Epsilon,
            false,
            metadata("modelspec.prediction_type"),
        ),
        (
            &[("ss_v_parameterization", "True"), ("ss_zero_terminal_snr", "True")],
            Prediction::V,
            true,
            metadata("ss_v_parameterization"),
        ),
        (&[("ss_v_parameterization", "False")], Prediction::Epsilon, false, PredictionSource::Default),
    ] {
        let found = scheduler(&[], pairs);
        assert_eq!(
            (found.prediction_type, found.rescale_betas_zero_snr, found.prediction_source),
            (prediction, zero_snr, source),
            "{pairs:?}"
        );
    }
}

#[test]
fn marks_without_usable_values_are_refused() {
    let mean = || floats("edm_mean", &[4], &MEAN);
    for (marks, name) in [
        (vec![mean(), floats("edm_std", &[3], &STD[..3])], "edm_std"),
        (vec![mean(), floats("edm_std", &[4], &[1.0, 1.0, 0.0, 1.0])], "edm_std"),
        (vec![floats("edm_mean", &[4], &[f32::NAN; 4]), floats("edm_std", &[4], &STD)], "edm_mean"),
        (vec![zeros("edm_mean", "I8", &[4]), floats("edm_std", &[4], &STD)], "edm_mean"),
        (vec![mark("edm_vpred.sigma_max")], "edm_vpred.sigma_max"),
        (vec![floats("edm_vpred.sigma_max", &[], &[f32::INFINITY])], "edm_vpred.sigma_max"),
        (vec![floats("edm_vpred.sigma_max", &[], &[0.001])], "edm_vpred.sigma_min"),
    ] {
        let error = open(&marks, &[]).expect_err("refused").to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
}
