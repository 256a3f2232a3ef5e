//! Makes one picture from a checkpoint:
//! `cargo run --release -p sdxl --example picture -- CHECKPOINT OUT.png "a prompt" [SIDE [STEPS [CFG [SEED]]]]`

use checkpoint::Checkpoint;
use diffusion::{Step, Stop};
use sdxl::{Compute, DeviceChoice, Generated, LoadOptions, Params, Pipeline};
use std::{error::Error, ops::ControlFlow, path::Path, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [checkpoint, out, prompt, numbers @ ..] = arguments.as_slice() else {
        return Err("usage: picture CHECKPOINT OUT.png PROMPT [SIDE [STEPS [CFG [SEED]]]]".into());
    };
    let number = |i: usize, default: f64| numbers.get(i).map_or(Ok(default), |text| text.parse());
    let side = number(0, 1024.0)? as u32;
    let params = Params {
        prompt: prompt.clone(),
        width: side,
        height: side,
        steps: number(1, 30.0)? as u32,
        cfg_scale: number(2, 5.0)?,
        seed: number(3, 0.0)? as u64,
        ..Params::default()
    };
    let compute = Compute::open(DeviceChoice::Auto)?;
    let started = Instant::now();
    let pipeline = Pipeline::load(&Checkpoint::open(Path::new(checkpoint))?, &compute, LoadOptions::default())?;
    eprintln!("loaded in {:.2} s on {}", started.elapsed().as_secs_f64(), compute.info);
    let generated = pipeline.generate(&params, &mut |step: &Step<'_>| {
        eprint!("\rstep {}/{}", step.index + 1, step.total);
        ControlFlow::<Stop>::Continue(())
    })?;
    if let Generated::Picture(output) = generated {
        output.picture.to_rgb8().save(out)?;
        eprintln!("\n{:#?}", output.timings);
    }
    Ok(())
}
