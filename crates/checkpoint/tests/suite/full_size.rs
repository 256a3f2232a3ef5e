//! SDXL base at full size, as sparse files: every name and shape against diffusers'.

use crate::common::{Name, fixtures, sdxl_names, single_file_tensors, timed, write_sparse};
use checkpoint::{Checkpoint, Family, Layout, OpenOptions, Part, Plan, inspect};
use std::path::Path;

const PARTS: [Part; 4] = [Part::TextEncoder, Part::TextEncoder2, Part::Unet, Part::Vae];

fn assert_names(plan: &Plan, part: Part) {
    let mut expected: Vec<(String, Vec<usize>)> =
        sdxl_names().into_iter().filter(|name| name.part == part.folder()).map(|n| (n.target, n.shape)).collect();
    let mut planned: Vec<_> = plan.entries.iter().map(|e| (e.target.clone(), e.shape.clone())).collect();
    expected.sort();
    planned.sort();
    assert_eq!(planned, expected, "{part}");
}

/// A diffusers folder of SDXL base with sparse weight files.
fn write_folder(root: &Path, variant: &str) {
    let component = |library: &str, class: &str| serde_json::json!([library, class]);
    let index = serde_json::json!({
        "_class_name": "StableDiffusionXLPipeline",
        "text_encoder": component("transformers", "CLIPTextModel"),
        "text_encoder_2": component("transformers", "CLIPTextModelWithProjection"),
        "unet": component("diffusers", "UNet2DConditionModel"),
        "vae": component("diffusers", "AutoencoderKL"),
    });
    std::fs::write(root.join("model_index.json"), index.to_string()).expect("the index is written");
    for part in PARTS {
        let folder = root.join(part.folder());
        std::fs::create_dir(&folder).expect("a folder is made");
        let config = fixtures().join(format!("sdxl_{part}_config.json"));
        std::fs::copy(config, folder.join("config.json")).expect("the config is copied");
        let tensors: Vec<_> = sdxl_names()
            .into_iter()
            .filter(|name| name.part == part.folder())
            .map(|Name { target, shape, .. }| (target, "F16", shape))
            .collect();
        let stem = if part.folder().starts_with("text") { "model" } else { "diffusion_pytorch_model" };
        write_sparse(&folder.join(format!("{stem}{variant}.safetensors")), &tensors);
    }
}

#[test]
fn a_single_file_plans_to_the_names_and_shapes_of_diffusers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sdxl.safetensors");
    write_sparse(&path, &single_file_tensors("F16"));
    let checkpoint = Checkpoint::open(&path).expect("it opens");
    assert_eq!(checkpoint.layout(), Layout::SingleFile);
    assert_eq!(checkpoint.parts(), PARTS);
    for part in PARTS {
        let plan = checkpoint.plan(part).expect("it plans");
        assert_names(&plan, part);
        let offsets: Vec<u64> = plan.entries.iter().map(|entry| entry.source.offset).collect();
        assert!(offsets.is_sorted(), "{part} is read forward");
    }
    assert_eq!(checkpoint.plan(Part::Unet).expect("it plans").parameters(), 2_567_463_684);
}

#[test]
fn a_folder_plans_to_the_names_and_shapes_of_diffusers() {
    for variant in ["", ".fp16"] {
        let folder = tempfile::tempdir().expect("a folder");
        write_folder(folder.path(), variant);
        let checkpoint = Checkpoint::open(folder.path()).expect("it opens");
        for part in PARTS {
            assert_names(&checkpoint.plan(part).expect("it plans"), part);
        }
    }
}

#[test]
fn tensors_alone_give_the_shapes_that_the_configs_give() {
    let folder = tempfile::tempdir().expect("a folder");
    write_folder(folder.path(), "");
    let single = folder.path().join("sdxl.safetensors");
    write_sparse(&single, &single_file_tensors("F32"));
    let (one, other) =
        (Checkpoint::open(&single).expect("it opens"), Checkpoint::open(folder.path()).expect("it opens"));
    assert_eq!(one.unet().expect("a unet"), other.unet().expect("a unet"));
    assert_eq!(one.vae().expect("a vae"), other.vae().expect("a vae"));
    for part in [Part::TextEncoder, Part::TextEncoder2] {
        let (one, other) = (one.text_encoder(part).expect("an encoder"), other.text_encoder(part).expect("an encoder"));
        // Only a config.json can give the token that ends a text; here the tensors alone lead to the same token.
        assert_eq!((one.eos_token_is_given, other.eos_token_is_given), (false, true));
        assert_eq!(one, &checkpoint::TextEncoderConfig { eos_token_is_given: false, ..other.clone() });
    }
    let unet = one.unet().expect("a unet");
    let heads: Vec<usize> = unet.down.iter().skip(1).map(|block| block.heads).collect();
    let mid = unet.mid.as_ref().expect("a middle block");
    assert_eq!((heads, mid.heads, unet.pooled_dim()), (vec![10, 20], 20, 1280));
}

#[test]
fn seven_gigabytes_are_inspected_in_under_a_second() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sdxl.safetensors");
    write_sparse(&path, &single_file_tensors("F16"));
    let bytes = std::fs::metadata(&path).expect("it is there").len();
    assert!(bytes > 6_900_000_000, "{bytes}");
    let (elapsed, report) = timed(|| inspect(&path, &OpenOptions::default()).expect("a report"));
    assert!(report.loadable, "{:?}", report.problems);
    // UNet, VAE and both encoders, as published.
    let parameters = 2_567_463_684 + 83_653_863 + 123_060_480 + 694_659_840;
    assert_eq!((report.family, report.parameters), (Family::Sdxl, parameters));
    assert!(elapsed.as_millis() < 1000, "{elapsed:?}");
}
