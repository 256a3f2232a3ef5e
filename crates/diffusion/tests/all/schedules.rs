//! Sigma schedules against diffusers, k-diffusion and ComfyUI's definitions.

use crate::reference::{deviation, read, relative_deviation};
use diffusion::{Betas, ModelSigmas, STEPS, Schedule, ScheduleError, Sigmas, Start, check_sigmas};
use serde::Deserialize;
use std::collections::BTreeMap;

/// k-diffusion and ComfyUI compute in f32, this crate in f64. The seventh powers of Karras cost f32 some digits.
const TOLERANCE: f32 = 3e-6;

#[derive(Deserialize)]
struct File {
    table: Vec<f32>,
    table_zero_snr: Vec<f32>,
    whole: Vec<Case>,
    truncated: Vec<Case>,
    conversions: Conversions,
}

#[derive(Deserialize)]
struct Case {
    schedule: String,
    steps: usize,
    strength: Option<f64>,
    sigmas: Vec<f32>,
    timesteps: Option<Vec<f32>>,
    noise_scale: Option<f32>,
}

#[derive(Deserialize)]
struct Conversions {
    sigmas: Vec<f32>,
    timesteps_of_sigmas: Vec<f32>,
    timesteps: Vec<f64>,
    sigmas_of_timesteps: Vec<f32>,
}

fn schedule(name: &str) -> Schedule {
    name.parse().expect("a known schedule")
}

#[test]
fn the_table_is_diffusers() {
    let file: File = read("schedules.json");
    let off = relative_deviation(ModelSigmas::default().as_slice(), &file.table);
    let rescaled = ModelSigmas::new(Betas { zero_terminal_snr: true, ..Betas::default() }).expect("valid betas");
    let off_rescaled = relative_deviation(rescaled.as_slice(), &file.table_zero_snr);
    println!("largest relative deviation of the table: {off:e}; with zero terminal SNR: {off_rescaled:e}");
    assert!(off <= 1e-6 && off_rescaled <= 1e-3, "{off:e}, {off_rescaled:e}");
}

#[test]
fn whole_schedules_are_the_references() {
    let file: File = read("schedules.json");
    let table = ModelSigmas::default();
    let mut worst: BTreeMap<String, f32> = BTreeMap::new();
    for case in file.whole {
        let what = format!("{} with {} steps", case.schedule, case.steps);
        let schedule = schedule(&case.schedule);
        let ours = schedule.sigmas(&table, case.steps).expect("valid steps");
        let off = relative_deviation(&ours, &case.sigmas);
        assert!(off <= TOLERANCE, "{what}: off by {off:e}");
        if let Some(timesteps) = case.timesteps {
            let seen: Vec<f32> = ours.iter().take(case.steps).map(|&s| table.timestep_from_sigma(s)).collect();
            assert_eq!(seen, timesteps, "{what}: the network sees whole timesteps");
        }
        let scale = schedule.noise_scale(&table, ours[0], Start::Noise);
        let expected = case.noise_scale.expect("whole schedules have one");
        assert!((scale / expected - 1.0).abs() <= TOLERANCE, "{what}: noise scale {scale}, not {expected}");
        let entry = worst.entry(case.schedule).or_default();
        *entry = entry.max(off);
    }
    println!("largest relative deviations: {worst:?}");
}

#[test]
fn truncated_schedules_are_the_references() {
    let file: File = read("schedules.json");
    for case in file.truncated {
        let strength = case.strength.expect("truncated schedules have one");
        let ours = schedule(&case.schedule)
            .truncated(&ModelSigmas::default(), case.steps, strength)
            .expect("valid steps and strength");
        let off = relative_deviation(&ours, &case.sigmas);
        assert!(off <= TOLERANCE, "{} with {} steps at {strength}: off by {off:e}", case.schedule, case.steps);
    }
}

#[test]
fn sigmas_and_timesteps_convert_as_in_k_diffusion() {
    let Conversions { sigmas, timesteps_of_sigmas, timesteps, sigmas_of_timesteps } =
        read::<File>("schedules.json").conversions;
    let table = ModelSigmas::default();
    let ours: Vec<f32> = sigmas.iter().map(|&s| table.timestep_from_sigma(s)).collect();
    let off = deviation(&ours, &timesteps_of_sigmas);
    assert!(off <= 2e-4, "{off:e}");
    let ours: Vec<f32> = timesteps.iter().map(|&t| table.sigma_from_timestep(t)).collect();
    assert!(relative_deviation(&ours, &sigmas_of_timesteps) <= 1e-6);
    for (t, &sigma) in table.as_slice().iter().enumerate() {
        assert_eq!(table.timestep_from_sigma(sigma), t as f32);
    }
}

#[test]
fn every_schedule_falls_to_zero_in_as_many_steps_as_asked_for() {
    let rescaled = ModelSigmas::new(Betas { zero_terminal_snr: true, ..Betas::default() }).expect("valid betas");
    for table in [ModelSigmas::default(), rescaled] {
        for &schedule in Schedule::ALL {
            for steps in STEPS.filter(|steps| *steps <= 200 || steps % 50 < 2) {
                let sigmas = schedule.sigmas(&table, steps).expect("valid steps");
                assert_eq!(sigmas.len(), steps + 1, "{schedule}");
                assert_eq!(sigmas[steps], 0.0, "{schedule}, {steps} steps");
                assert_eq!(check_sigmas(&sigmas), Ok(()), "{schedule}, {steps} steps");
                assert!(sigmas[0] <= table.max(), "{schedule}, {steps} steps");
            }
        }
    }
}

#[test]
fn every_strength_gives_a_schedule() {
    let table = ModelSigmas::default();
    for &schedule in Schedule::ALL {
        assert_eq!(schedule.truncated(&table, 20, 0.0), Ok(vec![0.0]));
        for steps in [1, 2, 7, 30, 999, 1000] {
            assert_eq!(schedule.truncated(&table, steps, 1.0), schedule.sigmas(&table, steps));
            let mut before = 0.0;
            for strength in [1e-9, 1e-3, 0.01, 0.3, 0.5, 0.77, 0.999, 1.0] {
                let sigmas = schedule.truncated(&table, steps, strength).expect("valid");
                assert_eq!(check_sigmas(&sigmas), Ok(()), "{schedule}, {steps} steps at {strength}");
                // A thousandth is the difference between rounding down to an entry of the table and not rounding.
                assert!(sigmas[0] >= 0.999 * before, "{schedule}, {steps} steps: more strength, more noise");
                before = sigmas[0];
                let by_diffusers =
                    matches!(schedule, Schedule::Leading | Schedule::Linspace | Schedule::Trailing | Schedule::Lcm);
                let length = if by_diffusers { 2..=steps + 1 } else { steps + 1..=steps + 1 };
                assert!(length.contains(&sigmas.len()), "{schedule}, {steps} steps at {strength}");
            }
        }
    }
}

#[test]
fn out_of_range_is_an_error_that_names_the_range() {
    let table = ModelSigmas::default();
    for steps in [0, 1001, usize::MAX] {
        assert_eq!(Schedule::Karras.sigmas(&table, steps), Err(ScheduleError::Steps { steps }));
    }
    for strength in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let error = Schedule::Leading.truncated(&table, 20, strength).expect_err("out of range");
        assert_eq!(error.to_string(), format!("strength is {strength}, but must be from 0 to 1"));
    }
    for (start, end) in [(0.0, 0.1), (0.2, 0.1), (0.1, 1.0), (f64::NAN, 0.5)] {
        assert!(ModelSigmas::new(Betas { start, end, zero_terminal_snr: false }).is_err());
    }
    for sigmas in [[1.0, 1.0, 0.0], [1.0, f32::NAN, 0.0], [f32::INFINITY, 1.0, 0.0], [2.0, 0.0, 0.0], [2.0, 1.0, -1.0]]
    {
        assert!(check_sigmas(&sigmas).is_err(), "{sigmas:?}");
    }
    let unknown = "sharp".parse::<Schedule>().expect_err("no such schedule").to_string();
    assert!(unknown.starts_with("there is no schedule \"sharp\"; choose one of normal, karras"), "{unknown}");
}

#[test]
fn over_a_picture_leading_adds_plain_noise() {
    let table = ModelSigmas::default();
    assert_eq!(Schedule::Leading.noise_scale(&table, 2.0, Start::Image), 2.0);
    assert_eq!(Schedule::Karras.noise_scale(&table, 2.0, Start::Image), 2.0);
    let top = table.max();
    assert_eq!(Schedule::Karras.noise_scale(&table, top, Start::Image), top.hypot(1.0));
    for schedule in [Schedule::Linspace, Schedule::Trailing] {
        assert_eq!(schedule.noise_scale(&table, top, Start::Image), top);
        assert_eq!(schedule.noise_scale(&table, top, Start::Noise), top);
    }
}
