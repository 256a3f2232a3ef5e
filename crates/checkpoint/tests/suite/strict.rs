//! Every tensor is used, ignored by the published list, or an error that names it.

use crate::common::{single_file_tensors, write_sparse};
use checkpoint::{Checkpoint, Error, IGNORED, Part, PlanError, Prediction, PredictionSource, ignored};

type Tensors = Vec<(String, &'static str, Vec<usize>)>;

/// Opens SDXL base, at full size but without weights, with changed tensors.
fn open(change: impl FnOnce(&mut Tensors)) -> Result<Checkpoint, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sdxl.safetensors");
    let mut tensors = single_file_tensors("F16");
    change(&mut tensors);
    write_sparse(&path, &tensors);
    Checkpoint::open(&path)
}

fn plan_error(part: Part, change: impl FnOnce(&mut Tensors)) -> PlanError {
    match open(change).and_then(|checkpoint| checkpoint.plan(part)) {
        Err(Error::Plan { source, .. }) => *source,
        other => panic!("a plan error is due: {other:?}"),
    }
}

#[test]
fn a_missing_tensor_is_named_as_the_file_would_have_it() {
    let gone = "model.diffusion_model.output_blocks.4.1.transformer_blocks.1.attn2.to_v.weight";
    let error = plan_error(Part::Unet, |tensors| tensors.retain(|(name, ..)| name != gone));
    assert_eq!(error, PlanError { missing: vec![gone.into()], ..PlanError::default() });
    assert_eq!(error.to_string(), format!("1 missing: {gone}"));
}

#[test]
fn a_stacked_tensor_that_is_missing_is_reported_once() {
    let gone = "conditioner.embedders.1.model.transformer.resblocks.7.attn.in_proj_weight";
    let error = plan_error(Part::TextEncoder2, |tensors| tensors.retain(|(name, ..)| name != gone));
    assert_eq!(error.missing, [gone]);
}

#[test]
fn an_unknown_tensor_is_an_error_in_its_part_and_outside_any() {
    let inside = "first_stage_model.decoder.up.1.block.0.norm3.weight";
    let error = plan_error(Part::Vae, |tensors| tensors.push((inside.into(), "F16", vec![4])));
    assert_eq!(error.unexpected, [inside]);
    let outside = "some_adapter.weight";
    for part in [Part::Unet, Part::TextEncoder] {
        let error = plan_error(part, |tensors| tensors.push((outside.into(), "F16", vec![4])));
        assert_eq!(error.unexpected, [outside]);
    }
}

#[test]
fn a_wrong_shape_is_an_error_with_both_shapes() {
    let name = "model.diffusion_model.input_blocks.5.0.in_layers.2.weight";
    let error = plan_error(Part::Unet, |tensors| {
        let tensor = tensors.iter_mut().find(|(n, ..)| n == name).expect("it is there");
        tensor.2 = vec![640, 640, 1, 1];
    });
    assert_eq!(error.misshapen.len(), 1);
    assert_eq!(error.to_string(), format!("1 misshapen: {name} is [640, 640, 1, 1], needs [640, 640, 3, 3]"));
}

#[test]
fn eight_bit_weights_that_are_only_exponents_are_refused_by_name() {
    let name = "model.diffusion_model.out.2.bias";
    let error = plan_error(Part::Unet, |tensors| {
        tensors.iter_mut().find(|(n, ..)| n == name).expect("it is there").1 = "F8_E8M0";
    });
    assert_eq!(error.to_string(), format!("1 in a dtype that cannot be read: {name} (f8)"));
}

#[test]
fn the_published_list_is_ignored() {
    let names = [
        "conditioner.embedders.0.transformer.text_model.embeddings.position_ids",
        "conditioner.embedders.1.model.logit_scale",
        "model_ema.diffusion_modelinput_blocks00weight",
        "model_ema.decay",
        "alphas_cumprod",
        "denoiser.sigmas",
        "v_pred",
        "ztsnr",
    ];
    let add = |tensors: &mut Tensors| tensors.extend(names.map(|name| (name.to_owned(), "F32", vec![1])));
    let checkpoint = open(add).expect("it opens");
    for part in checkpoint.parts() {
        checkpoint.plan(part).expect("it plans");
    }
    let scheduler = checkpoint.scheduler();
    assert_eq!(scheduler.prediction_type, Prediction::V);
    assert_eq!(scheduler.prediction_source, PredictionSource::Tensor("v_pred".into()));
    assert!(scheduler.rescale_betas_zero_snr);
}

#[test]
fn the_list_takes_no_parameter_with_it() {
    for (name, ..) in single_file_tensors("F16") {
        assert!(ignored(None, &name).is_none(), "{name}");
    }
    assert!(ignored(None, "betas_of_mine").is_none());
    assert!(ignored(None, "my_position_ids").is_none());
    assert!(ignored(None, "encoder.layers.0.weight").is_none());
    assert!(ignored(Some(Part::Vae), "encoder.layers.0.weight").is_none());
    assert!(ignored(Some(Part::Taesd), "encoder.layers.0.weight").is_some());
    assert!(IGNORED.iter().all(|entry| !entry.reason.is_empty()));
}

#[test]
fn parts_that_do_not_fit_together_are_refused() {
    let error = open(|tensors| {
        for (name, _, shape) in tensors.iter_mut() {
            if name.ends_with(".attn2.to_k.weight") || name.ends_with(".attn2.to_v.weight") {
                shape[1] = 1024;
            }
        }
    });
    let message = error.expect_err("768 + 1280 is not 1024").to_string();
    assert!(message.contains("cross_attention_dim is 1024"), "{message}");
}
