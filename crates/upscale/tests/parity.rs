//! The networks beside spandrel's. `tests/reference/export.py` writes the fixtures.

use burn::tensor::{Device, Tensor, TensorData};
use checkpoint::{Error, PickleError, UpscalerError, UpscalerFile, UpscalerSpec};
use image::RgbImage;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use sdxl::{Compute, DeviceChoice, nn::resize_nearest};
use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};
use upscale::{Tiles, Upscaler, built_in};

/// The most that a number may differ from spandrel's, in units of the largest one or of 1: SPAN with random weights gives
/// numbers up to 176.
const TOLERANCE: f32 = 1e-5;

type Shapes = BTreeMap<String, Vec<usize>>;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn tensor(name: &str, key: &str) -> (Vec<f32>, Vec<usize>) {
    let bytes = fs::read(fixture(name)).expect("a fixture");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let view = tensors.tensor(key).expect("the tensor");
    let values = view.data().as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
    (values, view.shape().to_vec())
}

fn picture() -> Tensor<4> {
    let (values, shape) = tensor("picture.safetensors", "picture");
    Tensor::from_data(TensorData::new(values, [1, shape[0], shape[1], shape[2]]), &Device::flex())
}

fn cpu() -> Compute {
    Compute::open(DeviceChoice::Cpu).expect("the CPU")
}

fn values(x: Tensor<4>) -> Vec<f32> {
    x.into_data().try_into_vec().expect("f32")
}

/// The most that the network's result differs from spandrel's, in units of the largest number or of 1.
fn difference(file: &UpscalerFile, result: &str) -> f32 {
    let upscaler = Upscaler::load(file, &cpu()).expect("it loads");
    let (expected, shape) = tensor(&format!("{result}.result.safetensors"), "result");
    let found = upscaler.forward(picture());
    assert_eq!(found.dims()[1..], shape[..], "{result}");
    let [_, _, height, width] = found.dims();
    let unit = expected.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
    let farthest = |found: &[f32]| {
        assert!(found.iter().all(|value| value.is_finite()));
        found.iter().zip(&expected).map(|(found, expected)| (found - expected).abs() / unit).fold(0.0, f32::max)
    };
    let enlarged = farthest(&values(resize_nearest(picture(), [height, width])));
    assert!(enlarged > 0.1, "{result} shows nothing: the enlarged picture alone differs by {enlarged}");
    farthest(&values(found))
}

/// As `numbers` of the exporter: the upper 24 bits of SplitMix64, seeded with the name's FNV-1a hash, from -1 to 1.
fn numbers(name: &str, count: usize) -> impl Iterator<Item = f32> {
    let hash = |seed: u64, byte| (seed ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, hash);
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 23) - 1.0) as f32
    })
    .take(count)
}

fn bytes(name: &str, shape: &[usize]) -> Vec<u8> {
    let inputs = if shape.len() > 1 { shape[1..].iter().product() } else { 36 };
    let scale = (1.5 / (inputs as f64).sqrt()) as f32;
    numbers(name, shape.iter().product()).flat_map(|number| (number * scale).to_le_bytes()).collect()
}

fn networks() -> BTreeMap<String, Shapes> {
    serde_json::from_slice(&fs::read(fixture("networks.json")).expect("a fixture")).expect("JSON")
}

/// A safetensors file with these tensors, their names begun with `prefix`.
fn file_of(shapes: &Shapes, prefix: &str) -> Vec<u8> {
    let data: Vec<_> = shapes.iter().map(|(name, shape)| (name, shape, bytes(name, shape))).collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes).expect("it fits");
        (format!("{prefix}{name}"), view)
    });
    safetensors::serialize(views, None).expect("a file")
}

fn opened(bytes: Vec<u8>) -> Result<UpscalerFile, Error> {
    UpscalerFile::in_memory(PathBuf::from("net.safetensors"), Arc::new(bytes))
}

#[test]
fn every_network_in_every_name_set_gives_what_spandrel_gives() {
    let specs = [
        ("esrgan-old-4x", 4),
        ("esrgan-old-2x", 2),
        ("esrgan-old-1x", 1),
        ("esrgan-bsrgan-4x", 4),
        ("esrgan-new-4x", 4),
        ("esrgan-new-2x", 2),
        ("esrgan-new-1x", 1),
        ("compact-2x", 2),
        ("span-3x", 3),
        ("span-3x-no-norm", 3),
    ];
    let networks = networks();
    assert_eq!(networks.len(), specs.len());
    for (name, scale) in specs {
        let file = opened(file_of(&networks[name], "")).expect("it is recognised");
        assert_eq!(file.spec().scale(), scale, "{name}");
        let most = difference(&file, name);
        assert!(most < TOLERANCE, "{name}: {most}");
    }
}

#[test]
fn the_network_inside_gives_what_spandrel_gives() {
    let file = built_in().expect("it is whole");
    assert_eq!(file.spec(), UpscalerSpec::Compact { features: 64, convs: 16, scale: 4 });
    let most = difference(&file, "realesr-animevideov3");
    assert!(most < TOLERANCE, "{most}");
}

#[test]
fn prefixes_are_removed_and_averaged_weights_preferred() {
    let shapes = &networks()["compact-2x"];
    for prefix in ["module.", "netG.", "params.", "params_ema.", "params_ema.module."] {
        let most = difference(&opened(file_of(shapes, prefix)).expect(prefix), "compact-2x");
        assert!(most < TOLERANCE, "{prefix}: {most}");
    }
    for (name, result) in [("compact-2x.pth", "compact-2x"), ("compact-2x-f16.pth", "compact-2x-f16")] {
        assert_eq!(UpscalerFile::inspect(&fixture(name)).expect(name).scale(), 2);
        let most = difference(&UpscalerFile::open(&fixture(name)).expect(name), result);
        assert!(most < TOLERANCE, "{name}: {most}");
    }
}

#[test]
fn tiles_give_the_picture_that_the_whole_gives() {
    let upscaler = Upscaler::load(&built_in().expect("it is whole"), &cpu()).expect("it loads");
    let picture = RgbImage::from_fn(70, 53, |x, y| image::Rgb([(x * 3) as u8, (y * 4) as u8, (x * y) as u8]));
    let enlarge = |side| {
        let mut calls = Vec::new();
        let picture = upscaler.upscale(&picture, Tiles { side }, &mut |done, total| {
            calls.push((done, total));
            ControlFlow::Continue(())
        });
        (picture.expect("it works").expect("it is not stopped"), calls)
    };
    let ((whole, _), (tiled, calls)) = (enlarge(1000), enlarge(24));
    assert_eq!(whole.dimensions(), (280, 212));
    assert_eq!(calls, (1..=9).map(|done| (done, 9)).collect::<Vec<_>>());
    let most = whole.iter().zip(tiled.iter()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(most <= Some(1), "the sums of a tile may be rounded otherwise: {most:?}");
    let stopped = upscaler.upscale(&picture, Tiles { side: 24 }, &mut |_, _| ControlFlow::Break(()));
    assert!(stopped.expect("it works").is_none());
}

#[test]
fn any_factor_is_reached_and_too_large_results_are_refused() {
    let upscaler = Upscaler::load(&built_in().expect("it is whole"), &cpu()).expect("it loads");
    let picture = RgbImage::from_pixel(9, 7, image::Rgb([200, 40, 90]));
    for (factor, size) in [(1, (9, 7)), (2, (18, 14)), (3, (27, 21)), (4, (36, 28)), (8, (72, 56))] {
        let enlarged = upscaler.upscale_by(&picture, factor, Tiles::default(), &mut |_, _| ControlFlow::Continue(()));
        assert_eq!(enlarged.expect("it works").expect("it is not stopped").dimensions(), size);
    }
    let error = upscaler.upscale_by(&picture, 40_000, Tiles::default(), &mut |_, _| panic!("it does not begin"));
    assert_eq!(error.expect_err("too large").to_string(), "360000 x 280000 pixels are more than 256 megapixels");
}

#[test]
fn other_files_are_refused_with_the_reason() {
    let networks = networks();
    let refused = |shapes: &Shapes| match opened(file_of(shapes, "")) {
        Err(Error::Upscaler { source, .. }) => *source,
        other => panic!("{other:?}"),
    };
    let mut compact = networks["compact-2x"].clone();
    compact.remove("body.2.bias");
    assert_eq!(refused(&compact), UpscalerError::Missing { name: "body.2.bias".to_owned() });
    compact.insert("body.2.bias".to_owned(), vec![9]);
    assert!(matches!(refused(&compact), UpscalerError::Shape { name, .. } if name == "body.2.bias"));
    let mut grey = networks["compact-2x"].clone();
    grey.insert("body.0.weight".to_owned(), vec![8, 1, 3, 3]);
    assert_eq!(refused(&grey), UpscalerError::Channels { channels: 1 });
    let swin = [("layers.0.residual_group.blocks.0.norm1.weight".to_owned(), vec![8])];
    assert!(matches!(refused(&swin.into_iter().collect()), UpscalerError::Network { .. }));
    let lora = [("lora_unet_x.lora_down.weight".to_owned(), vec![4, 8])];
    assert!(matches!(refused(&lora.into_iter().collect()), UpscalerError::Unknown { .. }));
    let mut left_over = networks["span-3x"].clone();
    left_over.remove("block_3.c2_r.conv.1.bias");
    assert!(matches!(refused(&left_over), UpscalerError::Missing { .. }));

    let of_pickle = |path: &Path| match UpscalerFile::open(path) {
        Err(Error::Upscaler { source, .. }) => match *source {
            UpscalerError::Pickle(error) => error,
            other => panic!("{other}"),
        },
        other => panic!("{other:?}"),
    };
    let old = of_pickle(&fixture("compact-2x-old.pth"));
    assert!(matches!(old, PickleError::NotZip { hint } if hint.contains("older format")), "{old}");
}

#[test]
fn hostile_archives_end_in_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.pth");
    let original = fs::read(fixture("compact-2x.pth")).expect("a fixture");
    let pickle = original.windows(2).position(|two| two == [0x80, 2]).expect("a pickle");
    let mut refused = 0;
    // Each byte of the pickle, and every eleventh of the rest, in four ways; and every cut.
    let places = (pickle..pickle + 2400).chain((0..original.len()).step_by(11));
    for at in places.filter(|&at| at < original.len()) {
        for change in [0x00, 0xff, original[at] ^ 0x01, original[at] ^ 0x80] {
            let mut bytes = original.clone();
            bytes[at] = change;
            fs::write(&path, bytes).expect("a file");
            refused += usize::from(UpscalerFile::open(&path).is_err());
        }
    }
    for length in (0..original.len()).step_by(97) {
        fs::write(&path, &original[..length]).expect("a file");
        assert!(UpscalerFile::open(&path).is_err(), "{length} bytes");
    }
    assert!(refused > 1000, "{refused}");
}
