//! What is gained by finishing a picture in n more steps instead of keeping its estimate: the PSNR to the picture of all steps,
//! over many seeds, after several shares of the steps.
//!
//! `cargo xtask starter finish`, or the example itself: `finish [SEEDS]`. Prints a table.

#[path = "../shared/mod.rs"]
mod shared;

use diffusion::{Observer, SamplerState, Step, Stop, replanned};
use sdxl::{Generated, Output, Params, Picture, Pipeline};
use shared::{Result, draw, params, pipeline};
use std::ops::ControlFlow;

/// Steps of a whole picture.
const STEPS: u32 = 30;
/// Steps after which it is finished early.
const DONE: [usize; 7] = [3, 6, 9, 12, 15, 20, 25];
/// Steps in which the rest is done.
const REST: [usize; 4] = [2, 3, 4, 6];

/// Keeps the states before the steps of [`DONE`].
#[derive(Default)]
struct States(Vec<SamplerState>);

impl Observer for States {
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<Stop> {
        if DONE.contains(&step.index) {
            self.0.push(step.state());
        }
        ControlFlow::Continue(())
    }
}

/// Keeps the estimate of the first step.
struct Keeps;

impl Observer for Keeps {
    fn step(&mut self, _: &Step<'_>) -> ControlFlow<Stop> {
        ControlFlow::Break(Stop::Keep)
    }
}

fn picture(generated: Generated) -> Result<Output> {
    match generated {
        Generated::Picture(output) => Ok(*output),
        ended => Err(format!("it was stopped: {ended:?}").into()),
    }
}

/// The picture from a state with these noise levels.
fn finish(
    pipeline: &Pipeline,
    params: &Params,
    whole: &Output,
    (sigmas, state): (Vec<f32>, SamplerState),
    observer: &mut dyn Observer,
) -> Result<Picture> {
    let networks = pipeline.networks(&[])?;
    let conditioning = whole.conditioning.clone();
    Ok(picture(pipeline.continue_from_with(&networks, params, conditioning, (sigmas, state), observer)?)?.picture)
}

/// The peak signal-to-noise ratio of two pictures in dB, of 8-bit values.
fn psnr(one: &Picture, other: &Picture) -> f64 {
    let (one, other) = (one.to_rgb8(), other.to_rgb8());
    let squares = one.as_raw().iter().zip(other.as_raw()).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    let mean = squares.sum::<f64>() / one.as_raw().len() as f64;
    // Equal pictures count as a difference of one in a thousand values.
    10.0 * (255.0_f64.powi(2) / mean.max(1e-3)).log10()
}

fn main() -> Result<()> {
    let seeds: u64 = std::env::args().nth(1).map_or(Ok(200), |seeds| seeds.parse())?;
    let pipeline = pipeline()?;
    let prompts = &starter_model::card().example_prompts;
    // For each number of done steps: keeping, then each number of further steps.
    let mut found = vec![vec![Vec::new(); 1 + REST.len()]; DONE.len()];
    for seed in 0..seeds {
        let prompt = &prompts[usize::try_from(seed)? % prompts.len()];
        let params = Params { steps: STEPS, ..params(prompt, seed)? };
        let mut states = States::default();
        let whole = draw(&pipeline, &params, &mut states)?;
        for (state, found) in states.0.into_iter().zip(&mut found) {
            let from = |rest: usize| (replanned(&whole.sigmas, state.step, rest), state.clone());
            let kept = finish(&pipeline, &params, &whole, from(0), &mut Keeps)?;
            found[0].push(psnr(&kept, &whole.picture));
            for (steps, found) in REST.iter().zip(&mut found[1..]) {
                let finished = finish(&pipeline, &params, &whole, from(*steps), &mut diffusion::Unobserved)?;
                found.push(psnr(&finished, &whole.picture));
            }
        }
        eprint!("\r{}/{seeds}", seed + 1);
    }
    eprintln!();
    let columns = REST.map(|rest| format!(" in {rest} |")).concat();
    println!("| done of {STEPS} | keep |{columns}\n|{}", " --- |".repeat(2 + REST.len()));
    for (done, found) in DONE.iter().zip(&found) {
        let kept = &found[0];
        let cells = found.iter().map(|values| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let better = values.iter().zip(kept).filter(|(value, kept)| value > kept).count();
            format!(" {mean:.1} dB ({better}) |")
        });
        println!("| {done} |{}", cells.collect::<String>());
    }
    println!(
        "\nMean PSNR to the picture of all steps; in brackets for how many of {seeds} seeds it is above that of keeping."
    );
    Ok(())
}
