//! EDM models against diffusers' EDM schedulers. `edm.py` made the numbers.

use crate::reference::{deviation, read, relative_deviation, tensor, values};
use burn::tensor::Tensor;
use diffusion::{
    Edm, Generator, Guidance, Guided, ModelSigmas, Network, Observer, Prediction, Prompts, Sample, Sampler, Schedule,
    Sigmas, Start, Step, Stop, check_sigmas,
};
use serde::Deserialize;
use std::{convert::Infallible, ops::ControlFlow};

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
    /// Every 37th level of CosXL's table in ComfyUI.
    table: Vec<f32>,
}

#[derive(Deserialize)]
struct Case {
    sampler: Sampler,
    schedule: Schedule,
    seed: u64,
    shape: [usize; 4],
    sigma_min: f64,
    sigma_max: f64,
    sigma_data: f64,
    prediction_type: Prediction,
    sigmas: Vec<f32>,
    timesteps: Vec<f32>,
    noise_scale: f32,
    x: Vec<Vec<f32>>,
}

impl Case {
    fn edm(&self) -> Edm {
        let &Self { sigma_min, sigma_max, sigma_data, .. } = self;
        Edm { sigma_min, sigma_max, sigma_data }
    }
}

/// `tanh(0.9 * input + 0.5 * timestep)`; records the timesteps.
#[derive(Default)]
struct Fixed(Vec<f32>);

impl Network for Fixed {
    type Error = Infallible;

    fn predict(&mut self, input: Tensor<4>, timestep: f32, _: Prompts) -> Result<Tensor<4>, Infallible> {
        self.0.push(timestep);
        Ok(input.mul_scalar(0.9).add_scalar(0.5 * timestep).tanh())
    }
}

/// Records x at each step.
#[derive(Default)]
struct Seen(Vec<Vec<f32>>);

impl Observer for Seen {
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<Stop> {
        self.0.push(values(step.x));
        ControlFlow::Continue(())
    }
}

#[test]
fn runs_are_those_of_diffusers_edm_schedulers() {
    let cases = read::<File>("edm.json").cases;
    let mut worst = 0.0_f32;
    for case in &cases {
        let what = format!("{} over {}, {} steps", case.sampler, case.schedule, case.timesteps.len());
        let table = ModelSigmas::continuous(case.edm()).expect("a valid range");
        let sigmas = case.schedule.sigmas(&table, case.timesteps.len()).expect("valid steps");
        let off = relative_deviation(&sigmas, &case.sigmas);
        assert!(off <= 3e-6, "{what}: sigmas are off by {off:e}");
        let scale = case.schedule.noise_scale(&table, sigmas[0], Start::Noise);
        assert!((scale / case.noise_scale - 1.0).abs() <= 3e-6, "{what}: noise scale {scale}");

        let mut noise = Generator::seed(case.seed);
        let x = tensor(&noise.randn(case.shape.iter().product()), case.shape).mul_scalar(scale);
        let guidance = Guidance::new(1.0).expect("in range");
        let network = Fixed::default();
        let mut guided = Guided { network, table: &table, prediction: case.prediction_type, guidance };
        let mut seen = Seen::default();
        let Ok(outcome) = case.sampler.sample(&mut guided, x, &sigmas, &mut noise, &mut seen);
        assert!(deviation(&guided.network.0, &case.timesteps) <= 1e-6, "{what}: {:?}", guided.network.0);
        seen.0.push(values(&outcome.latents().expect("the run finished")));
        assert_eq!(seen.0.len(), case.x.len(), "{what}");
        for (step, (ours, theirs)) in seen.0.iter().zip(&case.x).enumerate() {
            let size = theirs.iter().fold(1.0_f32, |most, v| most.max(v.abs()));
            let off = deviation(ours, theirs) / size;
            // diffusers computes the solvers' coefficients in f32.
            assert!(off <= 2e-5, "{what}: x before step {step} is off by {off:e}");
            worst = worst.max(off);
        }
    }
    assert!(cases.len() >= 18, "{} cases", cases.len());
    println!("largest deviation from diffusers' EDM schedulers, relative to the largest |x|: {worst:e}");
}

#[test]
fn the_table_is_comfyuis() {
    let edm = Edm { sigma_min: 0.002, sigma_max: 120.0, sigma_data: 1.0 };
    let table = ModelSigmas::continuous(edm).expect("a valid range");
    let ours: Vec<f32> = table.as_slice().iter().step_by(37).copied().collect();
    // ComfyUI's logarithms are in f32.
    assert!(relative_deviation(&ours, &read::<File>("edm.json").table) <= 2e-6);
}

#[test]
fn every_schedule_has_levels_in_a_continuous_range() {
    for (sigma_min, sigma_max) in [(0.002, 80.0), (0.002, 120.0), (1.0, 1.02)] {
        let table = ModelSigmas::continuous(Edm { sigma_min, sigma_max, sigma_data: 0.5 }).expect("a valid range");
        for &schedule in Schedule::ALL {
            for steps in [1, 2, 30, 1000] {
                let sigmas = schedule.sigmas(&table, steps).expect("valid steps");
                assert_eq!((sigmas.len(), check_sigmas(&sigmas)), (steps + 1, Ok(())), "{schedule}, {steps} steps");
            }
        }
    }
}

#[test]
fn a_range_that_is_none_is_an_error() {
    let good = Edm { sigma_min: 0.002, sigma_max: 80.0, sigma_data: 0.5 };
    for bad in [
        Edm { sigma_min: 0.0, ..good },
        Edm { sigma_min: 80.0, ..good },
        Edm { sigma_max: f64::INFINITY, ..good },
        Edm { sigma_max: 1e300, ..good },
        Edm { sigma_max: f64::NAN, ..good },
        Edm { sigma_data: 0.0, ..good },
        Edm { sigma_data: -1.0, ..good },
        Edm { sigma_min: 1e-300, ..good },
    ] {
        let error = ModelSigmas::continuous(bad).expect_err("not a range").to_string();
        assert!(error.starts_with("sigmas run from"), "{error}");
    }
}
