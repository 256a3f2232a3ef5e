//! The schedule `lcm` against diffusers' LCMScheduler and TCDScheduler. `distilled.py` made the numbers; `samplers.rs`
//! compares the runs.

use crate::reference::read;
use diffusion::{ModelSigmas, Schedule, Sigmas, Start};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    timesteps: Vec<Case>,
    /// LCM's c_skip and c_out at each timestep that a model is distilled with.
    scalings: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
struct Case {
    steps: usize,
    strength: f64,
    timesteps: Vec<f32>,
}

#[test]
fn the_timesteps_are_those_of_diffusers() {
    let table = ModelSigmas::default();
    let cases = read::<File>("distilled.json").timesteps;
    assert!(cases.len() > 20, "{} cases", cases.len());
    for Case { steps, strength, timesteps } in cases {
        let sigmas = Schedule::Lcm.truncated(&table, steps, strength).expect("valid");
        let (end, levels) = sigmas.split_last().expect("at least the end");
        let ours: Vec<f32> = levels.iter().map(|&sigma| table.timestep_from_sigma(sigma)).collect();
        assert_eq!((ours, *end), (timesteps, 0.0), "{steps} steps at strength {strength}");
    }
}

#[test]
fn dmd2s_timesteps_are_trailing() {
    let table = ModelSigmas::default();
    let sigmas = Schedule::Trailing.sigmas(&table, 4).expect("valid");
    let timesteps: Vec<f32> = sigmas.iter().take(4).map(|&sigma| table.timestep_from_sigma(sigma)).collect();
    assert_eq!(timesteps, [999.0, 749.0, 499.0, 249.0]);
}

#[test]
fn a_run_starts_from_noise_of_unit_variance_in_diffusers_variables() {
    let table = ModelSigmas::default();
    assert_eq!(Schedule::Lcm.noise_scale(&table, table.max(), Start::Noise), table.max().hypot(1.0));
    assert_eq!(Schedule::Lcm.noise_scale(&table, 2.0, Start::Image), 2.0);
}

#[test]
fn boundary_scalings_are_at_their_limits() {
    for (c_skip, c_out) in read::<File>("distilled.json").scalings {
        assert!(c_skip < 7e-6 && (1.0 - c_out) < 4e-6, "{c_skip:e} {c_out}");
    }
}
