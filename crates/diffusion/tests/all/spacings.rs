//! diffusers' schedulers against the schedules that correspond to them. `spacings.py` made the numbers.

use crate::reference::{deviation, read, relative_deviation};
use diffusion::{Betas, ModelSigmas, Schedule, Sigmas, Start, check_sigmas};
use serde::Deserialize;

/// As for the other schedules: diffusers computes Karras' powers in f32.
const TOLERANCE: f32 = 3e-6;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    config: Config,
    steps: usize,
    schedule: Option<String>,
    near: Option<String>,
    sigmas: Vec<f32>,
    timesteps: Vec<f32>,
    noise_scale: Option<f32>,
}

#[derive(Debug, Deserialize)]
struct Config {
    _class_name: String,
    #[serde(default)]
    steps_offset: usize,
    #[serde(default)]
    rescale_betas_zero_snr: bool,
    timestep_spacing: Option<String>,
}

impl Case {
    fn table(&self) -> ModelSigmas {
        let zero_terminal_snr = self.config.rescale_betas_zero_snr;
        let table = ModelSigmas::new(Betas { zero_terminal_snr, ..Betas::default() }).expect("valid betas");
        table.with_steps_offset(self.config.steps_offset)
    }

    fn ours(&self, schedule: &str) -> (Schedule, Vec<f32>) {
        let schedule: Schedule = schedule.parse().expect("a known schedule");
        (schedule, schedule.sigmas(&self.table(), self.steps).expect("valid steps"))
    }
}

#[test]
fn a_schedule_that_replaces_a_scheduler_has_its_sigmas() {
    let mut compared = 0;
    for case in read::<File>("spacings.json").cases {
        let Some(name) = &case.schedule else { continue };
        let what = format!("{name} for {:?} with {} steps", case.config, case.steps);
        let (schedule, ours) = case.ours(name);
        let off = relative_deviation(&ours, &case.sigmas);
        // The rescaled table itself agrees to 1e-3: f32 sums in another order.
        let tolerance = if case.config.rescale_betas_zero_snr { 1e-3 } else { TOLERANCE };
        assert!(off <= tolerance, "{what}: off by {off:e}");
        let table = case.table();
        let told: Vec<f32> = ours.iter().take(case.steps).map(|&s| table.timestep_from_sigma(s)).collect();
        // Between two timesteps diffusers' linspace is linear in sigma, but its way back is linear in log sigma: up to
        // 0.022. Multistep schedulers round or truncate the timesteps of Karras and exponential sigmas.
        let most = if matches!(schedule, Schedule::Karras | Schedule::Exponential) { 1.0 } else { 0.03 };
        let off = deviation(&told, &case.timesteps);
        assert!(off <= most, "{what}: the network is told a timestep off by {off}");
        if let (Some(expected), Some(_)) = (case.noise_scale, &case.config.timestep_spacing) {
            let scale = schedule.noise_scale(&table, ours[0], Start::Noise);
            assert!((scale / expected - 1.0).abs() <= tolerance, "{what}: noise scale {scale}, not {expected}");
        }
        compared += 1;
    }
    assert!(compared > 150, "{compared} cases");
}

#[test]
fn what_differs_by_rounding_alone_differs_by_little() {
    for case in read::<File>("spacings.json").cases {
        let Some(name) = &case.near else { continue };
        let (_, ours) = case.ours(name);
        // Rounding to whole timesteps alone costs 0.2 % (sgm_uniform) and 0.5 % (linspace). `leading` of multistep
        // schedulers is a different schedule.
        if name == "sgm_uniform" || name == "linspace" {
            let off = relative_deviation(&ours, &case.sigmas);
            assert!(off <= 0.01, "{name} for {:?} with {} steps: off by {off:e}", case.config, case.steps);
        }
    }
}

#[test]
fn one_trailing_step_starts_at_the_top_and_one_leading_step_does_not() {
    let table = ModelSigmas::default();
    let first = |schedule: Schedule| schedule.sigmas(&table, 1).expect("one step")[0];
    assert!((first(Schedule::Trailing) - 14.6146).abs() < 1e-3);
    assert!((first(Schedule::Leading) - 0.0413).abs() < 1e-4);
}

#[test]
fn no_steps_offset_leads_beyond_the_table() {
    for offset in [0, 1, 5, 999, 1_000_000] {
        let table = ModelSigmas::default().with_steps_offset(offset);
        for steps in [1, 2, 3, 30, 333, 500, 999, 1000] {
            let sigmas = Schedule::Leading.sigmas(&table, steps).expect("valid steps");
            assert_eq!((sigmas.len(), check_sigmas(&sigmas)), (steps + 1, Ok(())), "{offset}, {steps} steps");
        }
    }
}
