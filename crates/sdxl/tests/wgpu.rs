//! The tiny model through wgpu against the CPU: every stage, and a whole picture. Any adapter will do, also a
//! software one (Mesa's lavapipe); without one the test says that it skipped.

use burn::tensor::{DType, Tensor, TensorData};
use checkpoint::{Checkpoint, Part};
use diffusion::{Generator, Unobserved};
use sdxl::{
    Compute, DeviceChoice, DeviceError, Generated, LoadOptions, Params, Pipeline, Precision, Taesd, TextEncoder, Unet,
    Vae, load_part,
};
use std::{path::Path, process::Command, time::Instant};

/// Largest difference as a share of the CPU result's largest magnitude.
const TOLERANCE: f32 = 1e-3;
/// Set in the process that runs the comparison: kernels are then tuned as little as can be, which on a
/// software adapter is the difference between minutes and hours. It must be set before the process starts.
const AUTOTUNE: &str = "CUBECL_AUTOTUNE_LEVEL";

/// Computes on one device and hands out each result by name.
type Stages = fn(&Checkpoint, &Compute, &mut dyn FnMut(&'static str, Vec<f32>));

#[test]
fn wgpu_agrees_with_the_cpu() {
    agree("wgpu_agrees_with_the_cpu", stages);
}

#[test]
#[ignore = "more than ten minutes on a software adapter: the kernels of every further shape are compiled there"]
fn a_whole_picture_agrees_too() {
    agree("a_whole_picture_agrees_too", whole_picture);
}

fn agree(test: &str, run: Stages) {
    if std::env::var_os(AUTOTUNE).is_none() {
        let this = std::env::current_exe().expect("this test's own path");
        let mut child = Command::new(this);
        child.args(["--exact", test, "--nocapture", "--include-ignored"]).env(AUTOTUNE, "minimal");
        let status = child.status().expect("runs again");
        assert!(status.success(), "the comparison failed, see above");
        return;
    }
    let gpu = match Compute::open(DeviceChoice::Wgpu) {
        Ok(gpu) => gpu,
        Err(DeviceError::NoAdapter(why)) => {
            println!("SKIPPED: no graphics adapter ({why})");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    println!("comparing {} with the CPU", gpu.info);
    let cpu = Compute::open(DeviceChoice::Cpu).expect("always there");
    let checkpoint = Checkpoint::open(&fixture("tiny/diffusers")).unwrap_or_else(|e| panic!("{e}"));
    let mut expected = Vec::new();
    run(&checkpoint, &cpu, &mut |stage, numbers| expected.push((stage, numbers)));
    let mut expected = expected.into_iter();
    let started = Instant::now();
    run(&checkpoint, &gpu, &mut |stage, found| {
        let (name, expected) = expected.next().expect("as many stages");
        assert_eq!(name, stage);
        compare(stage, &expected, &found);
        println!("  after {:.0} s", started.elapsed().as_secs_f64());
    });
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new("tests/fixtures").join(name)
}

fn compare(stage: &str, expected: &[f32], found: &[f32]) {
    assert_eq!(expected.len(), found.len(), "{stage}");
    let largest = expected.iter().fold(0.0, |a: f32, b| a.max(b.abs()));
    let worst = expected
        .iter()
        .zip(found)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |a: f32, b| if b > a || b.is_nan() { b } else { a });
    println!("{stage}: largest deviation {:.2e}", worst / largest);
    assert!(worst <= TOLERANCE * largest, "{stage}: {worst} of {largest}");
}

fn noise<const D: usize>(compute: &Compute, seed: u64, shape: [usize; D]) -> Tensor<D> {
    let data = TensorData::new(Generator::seed(seed).randn(shape.iter().product()), shape);
    Tensor::from_data(data, (&compute.device, DType::F32))
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec().expect("f32")
}

/// Every stage alone.
fn stages(checkpoint: &Checkpoint, compute: &Compute, out: &mut dyn FnMut(&'static str, Vec<f32>)) {
    let device = &compute.device;
    let config = checkpoint.text_encoder(Part::TextEncoder2).expect("its shape");
    let load = |w: sdxl::Weights| TextEncoder::load(w, config);
    let encoder = load_part(checkpoint, Part::TextEncoder2, device, DType::F32, &mut |_, _| {}, load).expect("fits");
    let row: Vec<u32> = (0..77).map(|i| (i * 37 % 570) as u32).collect();
    let encoding = encoder.forward(&[row]);
    out("text states", numbers(encoding.hidden));
    out("pooled", numbers(encoding.pooled.expect("a projection")));

    let config = checkpoint.unet().expect("its shape");
    let load = |w: sdxl::Weights| Unet::load(w, config, DType::F32);
    let unet = load_part(checkpoint, Part::Unet, device, DType::F32, &mut |_, _| {}, load).expect("fits");
    let context = noise(compute, 1, [2, 77, config.cross_attention_dim]);
    let pooled = noise(compute, 2, [2, config.pooled_dim()]);
    let condition = unet.condition(context, pooled, &[[64.0, 96.0, 0.0, 0.0, 64.0, 96.0]; 2]);
    out("unet", numbers(unet.forward(noise(compute, 3, [2, 4, 9, 14]), 481.0, &condition)));

    let (config, limit) = (checkpoint.vae().expect("its shape"), compute.info.max_buffer_bytes);
    let load = |w: sdxl::Weights| Vae::load(w, config, limit);
    let vae = load_part(checkpoint, Part::Vae, device, DType::F32, &mut |_, _| {}, load).expect("fits");
    out("vae encoder", numbers(vae.encode(noise(compute, 4, [1, 3, 40, 72])).expect("one piece").mean));
    out("vae decoder", numbers(vae.decode(noise(compute, 5, [1, 4, 5, 9])).expect("one piece")));

    let taesd = Checkpoint::open_part(Part::Taesd, &fixture("tiny/taesd"), &Default::default()).expect("opens");
    let config = taesd.taesd().expect("its shape");
    let load = |w: sdxl::Weights| Taesd::load(w, config);
    let taesd = load_part(&taesd, Part::Taesd, device, DType::F32, &mut |_, _| {}, load).expect("fits");
    out("taesd", numbers(taesd.decode(noise(compute, 6, [1, 4, 5, 9]))));
}

/// From a prompt to a picture, in three steps.
fn whole_picture(checkpoint: &Checkpoint, compute: &Compute, out: &mut dyn FnMut(&'static str, Vec<f32>)) {
    let options = LoadOptions { precision: Some(Precision::F32), ..LoadOptions::default() };
    let pipeline = Pipeline::load(checkpoint, compute, options).unwrap_or_else(|e| panic!("{e}"));
    let params =
        Params { prompt: "a small red fox".into(), width: 72, height: 64, steps: 3, seed: 7, ..Params::default() };
    match pipeline.generate(&params, &mut Unobserved) {
        Ok(Generated::Picture(output)) => {
            out("latents of 3 steps", output.latents.data);
            out("picture", output.picture.pixels().to_vec());
        }
        other => panic!("{other:?}"),
    }
}
