//! The cost of a LoRA file: switching it on, a step with it, its memory. Prints one JSON object.
//! `cargo run --release -p sdxl --example lora -- CHECKPOINT LORA.safetensors [SIDE [STEPS]]`

use checkpoint::{Checkpoint, LoraFile};
use diffusion::Unobserved;
use sdxl::{Compute, DeviceChoice, Generated, LoadOptions, LoraUse, Networks, Params, Pipeline};
use std::{error::Error, path::Path, sync::Arc, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [checkpoint, lora, numbers @ ..] = arguments.as_slice() else {
        return Err("usage: lora CHECKPOINT LORA.safetensors [SIDE [STEPS]]".into());
    };
    let number = |i: usize, default: u32| numbers.get(i).map_or(Ok(default), |text| text.parse());
    let side = number(0, 512)?;
    let params = Params {
        prompt: "a red fox".to_owned(),
        width: side,
        height: side,
        steps: number(1, 4)?,
        cfg_scale: 5.0,
        seed: 1,
        ..Params::default()
    };
    let started = Instant::now();
    let compute = Compute::open(DeviceChoice::Cpu)?;
    let pipeline = Pipeline::load(&Checkpoint::open(Path::new(checkpoint))?, &compute, LoadOptions::default())?;
    let load_s = started.elapsed().as_secs_f64();
    let resident_base = resident_bytes();
    let base_step_s = step_s(&pipeline, &*pipeline.networks(&[])?, &params)?;

    let switch = |weight: f64| -> Result<(Arc<Networks>, f64), Box<dyn Error>> {
        let started = Instant::now();
        let file = Arc::new(LoraFile::open(Path::new(lora))?);
        let set = pipeline.networks(&[LoraUse { file, unet_weight: weight, text_weight: weight }])?;
        Ok((set, started.elapsed().as_secs_f64()))
    };
    let (set, first_switch_s) = switch(0.7)?;
    let resident_with = resident_bytes();
    let lora_step_s = step_s(&pipeline, &set, &params)?;
    let (_, same_again_s) = switch(0.7)?;
    let (_, other_weight_s) = switch(0.8)?;
    println!(
        "{{\"load_s\": {load_s:.3}, \"switch_s\": {first_switch_s:.3}, \"other_weight_s\": {other_weight_s:.3}, \
         \"same_again_s\": {same_again_s:.6}, \"base_step_s\": {base_step_s:.4}, \"lora_step_s\": {lora_step_s:.4}, \
         \"set_bytes\": {}, \"resident_base\": {resident_base}, \"resident_with\": {resident_with}}}",
        set.bytes()
    );
    Ok(())
}

/// The median of the steps after the first, which allocates memory that later ones use again.
fn step_s(pipeline: &Pipeline, networks: &Networks, params: &Params) -> Result<f64, Box<dyn Error>> {
    let Generated::Picture(output) = pipeline.generate_with(networks, params, &mut Unobserved)? else {
        return Err("cancelled".into());
    };
    let mut steps = output.timings.steps_s;
    if steps.len() > 1 {
        steps.remove(0);
    }
    steps.sort_by(f64::total_cmp);
    Ok(steps[steps.len() / 2])
}

/// Resident memory of the process in bytes; 0 where the system does not report it.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}
