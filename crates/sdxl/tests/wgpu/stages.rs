//! The tiny model through wgpu against the CPU: every stage, and a whole picture.

use crate::support::{adapter, fixture, noise, numbers, tiny};
use burn::tensor::DType;
use checkpoint::{Checkpoint, Part};
use diffusion::Unobserved;
use sdxl::{
    Compute, DeviceChoice, Generated, LoadOptions, Params, Pipeline, Precision, Taesd, TextEncoder, Unet, Vae,
    load_part,
};
use std::time::Instant;

/// Largest difference as a share of the CPU result's largest magnitude.
const TOLERANCE: f32 = 1e-3;

/// Computes on one device and hands out each result by name.
type Stages = fn(&Checkpoint, &Compute, &mut dyn FnMut(&'static str, Vec<f32>));

mod adapter {
    #[test]
    #[ignore = "run by `on_an_adapter`"]
    fn every_stage_agrees_with_the_cpu() {
        super::agree(super::stages);
    }
}

mod slow {
    #[test]
    #[ignore = "run by `slowly_on_an_adapter`"]
    fn a_whole_picture_agrees_with_the_cpu() {
        super::agree(super::whole_picture);
    }
}

fn agree(run: Stages) {
    let Some(gpu) = adapter() else { return };
    println!("comparing {} with the CPU", gpu.info);
    let cpu = Compute::open(DeviceChoice::Cpu).expect("always there");
    let checkpoint = tiny();
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
    assert!(expected.next().is_none(), "as many stages");
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
