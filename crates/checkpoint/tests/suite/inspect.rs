//! The report on any kind of file.

use crate::common::{models, single_file_tensors, write, write_sparse, zeros};
use checkpoint::{Dtype, Family, Layout, OpenOptions, Part, Prediction, inspect};
use std::path::Path;

fn report(path: &Path) -> checkpoint::Report {
    inspect(path, &OpenOptions::default()).expect("a report")
}

#[test]
fn a_good_checkpoint_in_every_layout() {
    for (name, layout, dtype) in [
        ("tiny/diffusers", Layout::Diffusers, Dtype::F32),
        ("tiny/diffusers-fp16", Layout::Diffusers, Dtype::F16),
        ("tiny/single-f16.safetensors", Layout::SingleFile, Dtype::F16),
        ("odd/diffusers-fp16", Layout::Diffusers, Dtype::F16),
    ] {
        let report = report(&models().join(name));
        assert!(report.loadable, "{name}: {:?}", report.problems);
        assert_eq!((report.family, report.layout), (Family::Sdxl, layout), "{name}");
        assert_eq!(report.parts.len(), 4, "{name}");
        assert!(report.dtypes[&dtype] > 170_000, "{name}");
        assert_eq!(report.parts.iter().map(|part| part.parameters).sum::<u64>(), report.parameters, "{name}");
    }
}

#[test]
fn what_does_not_match_is_listed_part_by_part() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sdxl.safetensors");
    let mut tensors = single_file_tensors("F16");
    tensors.retain(|(name, ..)| name != "first_stage_model.decoder.conv_out.bias");
    tensors.push(("model.diffusion_model.extra".into(), "F16", vec![1]));
    tensors.push(("adrift".into(), "F16", vec![1]));
    tensors.push(("v_pred".into(), "F16", vec![0]));
    let wrong = tensors.iter_mut().find(|(name, ..)| name.ends_with("embedders.1.model.ln_final.bias"));
    wrong.expect("it is there").2 = vec![1281];
    write_sparse(&path, &tensors);
    let report = report(&path);
    assert!(!report.loadable);
    let part = |part: Part| report.parts.iter().find(|found| found.part == part).expect("it is told");
    assert_eq!(part(Part::Vae).missing, ["first_stage_model.decoder.conv_out.bias"]);
    assert_eq!(part(Part::Unet).unexpected, ["model.diffusion_model.extra"]);
    assert_eq!(part(Part::TextEncoder2).misshapen[0].found, [1281]);
    assert_eq!(report.unexpected, ["adrift"]);
    assert_eq!(report.scheduler.expect("a schedule").prediction_type, Prediction::V);
    assert_eq!(report.problems.len(), 4, "{:?}", report.problems);
    assert!(report.problems.iter().all(|problem| !problem.contains('\n')));
}

#[test]
fn a_part_alone_is_loadable_as_that() {
    for (name, part) in [
        ("tiny/taesdxl_decoder.safetensors", Part::Taesd),
        ("tiny/taesd/diffusion_pytorch_model.safetensors", Part::Taesd),
        ("tiny/taesd", Part::Taesd),
        ("tiny/diffusers/vae", Part::Vae),
        ("tiny/diffusers/vae/diffusion_pytorch_model.safetensors", Part::Vae),
    ] {
        let report = report(&models().join(name));
        assert!(report.loadable, "{name}: {:?}", report.problems);
        assert_eq!((report.layout, report.parts[0].part), (Layout::Part, part), "{name}");
    }
}

#[test]
fn another_model_is_described_without_complaints_about_its_tensors() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lora.safetensors");
    write(&path, &[zeros("lora_unet_a.lora_up.weight", "BF16", &[3, 2]), zeros("lora_unet_a.alpha", "F32", &[])]);
    let report = report(&path);
    assert_eq!((report.family, report.parameters, report.loadable), (Family::Lora, 7, false));
    assert_eq!(report.dtypes[&Dtype::Bf16], 6);
    assert_eq!((report.unexpected.len(), report.problems.len()), (0, 1));
    let json = serde_json::to_value(&report).expect("it is JSON");
    assert_eq!(json["family"], "lora");
    assert_eq!(json["dtypes"]["bf16"], 6);
}

#[test]
fn a_folder_with_a_broken_part_is_described_but_for_that() {
    let folder = tempfile::tempdir().expect("a folder");
    let from = models().join("tiny/diffusers");
    for name in ["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors", "vae/config.json"]
    {
        std::fs::create_dir_all(folder.path().join(name).parent().expect("a folder")).expect("it is made");
        std::fs::copy(from.join(name), folder.path().join(name)).expect("a copy");
    }
    let report = report(folder.path());
    assert_eq!((report.family, report.parts.len(), report.loadable), (Family::Sdxl, 1, false));
    let told = |end: &str| report.problems.iter().any(|problem| problem.ends_with(end));
    assert!(told("has no vae/diffusion_pytorch_model.safetensors"), "{:?}", report.problems);
    assert!(told("has no text_encoder_2/config.json"), "{:?}", report.problems);
    let text = report.to_string();
    assert!(text.contains("unet: 123908 parameters, f32"), "{text}");
    assert!(text.ends_with("cannot be loaded\n"), "{text}");
}
