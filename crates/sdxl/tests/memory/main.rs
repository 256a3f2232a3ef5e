//! How much memory a picture takes: against diffusers' own list of parameters, and against sums made by hand.

#[path = "../../../checkpoint/tests/suite/common.rs"]
#[allow(dead_code, reason = "shared with the tests of checkpoint, which use the rest")]
mod common;

use checkpoint::{Dtype, OpenOptions, Part, Report, Shape, inspect};
use common::{models, sdxl_names, single_file_tensors, write_sparse};
use sdxl::{MemoryEstimate, MemoryReport, MemorySettings};
use std::{collections::BTreeMap, path::Path};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn report(path: &Path) -> Report {
    inspect(path, &OpenOptions::default()).expect("a report")
}

fn shapes(report: &Report) -> BTreeMap<Part, Shape> {
    report.parts.iter().filter_map(|part| Some((part.part, part.config.clone()?))).collect()
}

/// SDXL base's report and shapes, from a file of holes.
fn sdxl() -> (Report, BTreeMap<Part, Shape>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sdxl.safetensors");
    write_sparse(&path, &single_file_tensors("F16"));
    let report = report(&path);
    let shapes = shapes(&report);
    (report, shapes)
}

/// With weights that are f32 in the file.
fn estimate(settings: MemorySettings) -> MemoryEstimate {
    MemoryEstimate::new(&sdxl().1, &BTreeMap::new(), &settings).expect("a UNet and a VAE")
}

/// Numbers of SDXL's large parameters, by part: those that the processor keeps in f16.
fn large_parameters() -> BTreeMap<Part, u64> {
    let mut large = BTreeMap::new();
    for name in sdxl_names() {
        let part = Part::ALL.into_iter().find(|part| part.to_string() == name.part).expect("a part");
        let numbers = name.shape.iter().product::<usize>() as u64;
        *large.entry(part).or_default() += if numbers >= 1 << 18 { numbers } else { 0 };
    }
    large
}

#[test]
fn the_weights_are_those_of_diffusers() {
    for (dtype, bytes) in [(Dtype::F16, 2), (Dtype::F32, 4)] {
        let mut expected = BTreeMap::<String, u64>::new();
        for name in sdxl_names() {
            let bytes = if name.part == "vae" { 4 } else { bytes };
            *expected.entry(name.part).or_default() += bytes * name.shape.iter().product::<usize>() as u64;
        }
        let estimate = estimate(MemorySettings { dtype, ..MemorySettings::gpu(1024, 1024) });
        let weights = estimate.weights.iter().map(|(part, bytes)| (part.to_string(), *bytes)).collect();
        assert_eq!(expected, weights, "{dtype}");
        let sum: u64 = expected.values().sum();
        assert_eq!(estimate.peak, sum + estimate.prompt + estimate.denoise.max(estimate.decode), "{dtype}");
    }
}

#[test]
fn sdxl_makes_a_picture_of_1024_within_10_gib() {
    let settings = MemorySettings::gpu(1024, 1024);
    assert_eq!((settings.dtype, settings.batch), (Dtype::F16, 2));
    let f16 = estimate(settings);
    assert!(f16.peak <= 10 * GIB, "{f16:?}");
    let f32 = estimate(MemorySettings { dtype: Dtype::F32, ..settings });
    assert!(f32.peak > 15 * GIB, "{f32:?}");
}

/// The sums are made from SDXL's published widths, not from the code.
#[test]
fn the_largest_moments_are_those_that_are_found_by_hand() {
    let f16 = estimate(MemorySettings::gpu(1024, 1024));
    // The norm of the way up's first ResNet at the latent's size, two pictures: 640 channels from below and 320 of
    // a skip, twice in f32; beside them the shortcut that was made of them, and the two skips that are left.
    let pixels = 2 * 128 * 128;
    assert_eq!(f16.denoise, pixels * (960 * (4 + 4) + 320 * 2 + 2 * 320 * 2));
    // The norm of the decoder's last level: 256 channels of f32 at 1024 x 1024 are 1 GiB without their mean, and so are
    // these squared; beside them the shortcut's 128 channels.
    assert_eq!(f16.decode, 5 * GIB / 2);
    // Two prompts of 77 tokens, keys and values, in ten blocks that are 640 wide and sixty that are 1280 wide.
    assert_eq!(f16.prompt, 2 * 77 * 2 * (10 * 640 + 60 * 1280) * 2);
    // On the processor its convolution is larger: 128 channels of the shortcut, 1 GiB normalised, a copy of that with
    // zeros around it, and 128 channels that come out.
    assert_eq!(estimate(MemorySettings::processor(1024, 1024)).decode, 3 * GIB);
}

#[test]
fn it_grows_with_the_picture_and_tiles_bound_it() {
    let at = |side| estimate(MemorySettings::gpu(side, side));
    let [half, whole, double] = [512, 1024, 2048].map(at);
    // At 512 the largest moment of a pass is another, a convolution's with the copy of its weights.
    assert_eq!((4 * half.decode, 4 * whole.denoise), (whole.decode, double.denoise));
    assert!(half.denoise < whole.denoise && 4 * half.denoise > whole.denoise, "{half:?}");
    assert_eq!(half.weights, double.weights);
    // Tiles of 1 GiB, and what they are cut from: 512 channels at the latent's size.
    assert_eq!(double.decode, 5 * GIB / 2 + 512 * 256 * 256 * 4);
    let settings = MemorySettings::gpu(1024, 1024);
    let one = estimate(MemorySettings { batch: 1, ..settings });
    assert_eq!((2 * one.denoise, one.decode), (whole.denoise, whole.decode));
    // 128 MiB are tiles of 45 by 45 pixels of the latent.
    let small = estimate(MemorySettings { largest_activation: 128 * MIB, ..settings });
    assert_eq!(small.decode, (45 * 45 * 64) * (2 * 256 + 128) * 4 + 512 * 128 * 128 * 4);
}

#[test]
fn inspect_prints_it_for_a_model_that_can_be_loaded() {
    let (sdxl, shapes) = sdxl();
    let memory = MemoryReport::of(&sdxl).expect("a whole SDXL");
    let large = large_parameters();
    assert_eq!(Some(&memory), MemoryReport::new(&shapes, &large, [1024, 1024]).as_ref());
    // A file of f16 numbers takes the processor half of what it would take in f32, but for small parameters.
    let wide = estimate(MemorySettings::processor(1024, 1024));
    let halved = |part: &Part| wide.weights[part] - 2 * large[part];
    assert!(memory.processor_f32.weights.iter().all(|(part, bytes)| *bytes == halved(part)), "{memory:?}");
    let small = memory.processor_f32.weights[&Part::Unet] - memory.gpu_f16.weights[&Part::Unet];
    assert!(small < memory.gpu_f16.weights[&Part::Unet] / 100, "{small}");
    assert_eq!(memory.to_string(), "1024 x 1024: about 9.2 GiB in f16 on a GPU, 9.6 GiB on the processor");
    let json = serde_json::to_value(&memory).expect("it is JSON");
    assert_eq!(json["gpu_f16"]["decode"], 5 * GIB / 2);
    assert_eq!(json["gpu_f16"]["weights"]["text_encoder_2"], 2 * 694_659_840_u64);

    // Its UNet's config says that it was trained on latents of 8 by 8.
    let tiny = report(&models().join("tiny/diffusers-fp16"));
    let memory = MemoryReport::of(&tiny).expect("a whole SDXL");
    assert_eq!((memory.width, memory.height), (64, 64));
    assert!(memory.to_string().contains("64 x 64: about 1 MiB"), "{memory}");
    assert_eq!(memory.gpu_f16.weights[&Part::Unet], 2 * 123_908);
    assert_eq!(memory.processor_f32.weights[&Part::Vae], 4 * 38_151);

    let single = MemoryReport::of(&report(&models().join("tiny/single-f16.safetensors"))).expect("a whole SDXL");
    assert_eq!((single.width, single.height), (1024, 1024), "a file alone does not tell");
    for part in ["tiny/diffusers/vae", "tiny/taesdxl_decoder.safetensors"] {
        assert_eq!(MemoryReport::of(&report(&models().join(part))), None, "{part}");
    }
}

#[test]
fn sizes_that_no_picture_has_are_no_panic() {
    let (_, shapes) = sdxl();
    for side in [0, 1, 7, u32::MAX] {
        for settings in [MemorySettings::gpu(side, u32::MAX), MemorySettings::processor(u32::MAX, side)] {
            for largest_activation in [0, u64::MAX] {
                let settings = MemorySettings { batch: u32::MAX, largest_activation, ..settings };
                let estimate = MemoryEstimate::new(&shapes, &BTreeMap::new(), &settings).expect("a UNet and a VAE");
                assert!(estimate.peak >= estimate.denoise, "{settings:?}");
            }
        }
    }
}
