//! Trajectories against the samplers of k-diffusion and diffusers: x at every step.

use crate::reference::{Mixture, deviation, read, tensor, values};
use diffusion::{
    BrownianPath, Generator, NoiseSource, Observer, Outcome, Sample, Sampler, Schedule, Sigmas, Step, Unobserved,
    dpmpp_sde,
};
use serde::Deserialize;
use std::{collections::BTreeMap, ops::ControlFlow};

#[derive(Deserialize)]
struct File {
    #[serde(flatten)]
    mixture: Mixture,
    cases: Vec<Case>,
}

/// References from diffusers' LCMScheduler and TCDScheduler, with the same denoiser.
#[derive(Deserialize)]
struct Distilled {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    sampler: String,
    source: String,
    seed: u64,
    shape: [usize; 4],
    sigmas: Vec<f32>,
    /// x before each step, then the result.
    x: Vec<Vec<f32>>,
}

/// Records x at each step.
#[derive(Default)]
struct Seen(Vec<Vec<f32>>);

impl Observer for Seen {
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<diffusion::Stop> {
        assert_eq!(step.index, self.0.len(), "one call a step, in order");
        self.0.push(values(step.x));
        ControlFlow::Continue(())
    }
}

/// Runs a reference's case and returns x at each step, then the result.
fn trajectory(case: &Case, mixture: Mixture) -> Vec<Vec<f32>> {
    let sampler: Sampler = case.sampler.parse().expect("a known sampler");
    let mut noise = Generator::seed(case.seed);
    // The reference's first x is used as it is. This draw only advances the generator past the initial noise.
    noise.randn(case.shape.iter().product());
    let x = tensor(&case.x[0], case.shape);
    let mut seen = Seen::default();
    let mut denoise = |x, sigma| mixture.denoise(x, sigma);
    let outcome = match sampler {
        // This sampler's references use independent noise, so that the draws equal torch's.
        Sampler::DpmppSde => dpmpp_sde(&mut denoise, x, &case.sigmas, &mut noise, &mut seen),
        _ => sampler.sample(&mut denoise, x, &case.sigmas, &mut noise, &mut seen),
    };
    let Ok(outcome) = outcome;
    seen.0.push(values(&outcome.latents().expect("the run finished")));
    seen.0
}

#[test]
fn trajectories_are_the_references() {
    let File { mixture, mut cases } = read("trajectories.json");
    cases.extend(read::<Distilled>("distilled.json").cases);
    let mut worst: BTreeMap<String, f32> = BTreeMap::new();
    for case in &cases {
        let ours = trajectory(case, mixture);
        let what = format!("{} ({}), {} steps", case.sampler, case.source, case.sigmas.len() - 1);
        assert_eq!(ours.len(), case.x.len(), "{what}");
        for (step, (ours, theirs)) in ours.iter().zip(&case.x).enumerate() {
            // Relative to the size of x, which falls from 30 to 2 during the run.
            let size = theirs.iter().fold(1.0_f32, |most, v| most.max(v.abs()));
            let off = deviation(ours, theirs) / size;
            assert!(off <= 1e-5, "{what}: x before step {step} is off by {off:e}");
            let entry = worst.entry(case.sampler.clone()).or_default();
            *entry = entry.max(off);
        }
    }
    assert_eq!(worst.len(), Sampler::ALL.len(), "a reference for every sampler");
    println!("largest deviations from the references, relative to the largest |x|:");
    worst.iter().for_each(|(sampler, off)| println!("  {sampler}: {off:e}"));
}

#[test]
fn the_initial_noise_is_torchs() {
    let File { cases, .. } = read("trajectories.json");
    let case = cases.first().expect("there are cases");
    let scaled: Vec<f32> =
        Generator::seed(case.seed).randn(case.x[0].len()).iter().map(|n| n * case.sigmas[0]).collect();
    assert!(deviation(&scaled, &case.x[0]) <= 2e-6 * case.sigmas[0]);
}

#[test]
fn any_sampler_runs_over_any_schedule() {
    let table = diffusion::ModelSigmas::default();
    for &sampler in Sampler::ALL {
        for &schedule in Schedule::ALL {
            for steps in [1, 2, 3, 17] {
                let sigmas = schedule.sigmas(&table, steps).expect("valid steps");
                let mut noise = Generator::seed(9);
                let x = tensor(&noise.randn(64), [1, 4, 4, 4]).mul_scalar(sigmas[0]);
                let mut denoise = |x, sigma| Mixture::USUAL.denoise(x, sigma);
                let Ok(outcome) = sampler.sample(&mut denoise, x, &sigmas, &mut noise, &mut Unobserved);
                let result = values(&outcome.latents().expect("the run finished"));
                let most = result.iter().fold(0.0_f32, |most, v| if v.is_nan() { *v } else { most.max(v.abs()) });
                // The data lie within 4. Heun's method overshoots to 20 when its two steps have lengths 14 and 0.03.
                assert!(most < 50.0, "{sampler} over {schedule} in {steps} steps gives up to {most}");
            }
        }
    }
}

#[test]
fn no_step_leaves_x_as_it_is() {
    for &sampler in Sampler::ALL {
        for sigmas in [&[][..], &[0.0], &[3.0]] {
            let x = tensor(&[1.0, 2.0, 3.0, 4.0], [1, 4, 1, 1]);
            let mut denoise = |x, sigma| Mixture::USUAL.denoise(x, sigma);
            let Ok(outcome) = sampler.sample(&mut denoise, x, sigmas, &mut Generator::seed(0), &mut Unobserved);
            assert!(matches!(&outcome, Outcome::Finished { latents } if values(latents) == [1.0, 2.0, 3.0, 4.0]));
        }
    }
}

#[test]
fn a_schedule_may_end_above_zero() {
    for &sampler in Sampler::ALL {
        let mut noise = Generator::seed(1);
        let x = tensor(&noise.randn(16), [1, 4, 2, 2]).mul_scalar(9.0);
        let mut denoise = |x, sigma| Mixture::USUAL.denoise(x, sigma);
        let Ok(outcome) = sampler.sample(&mut denoise, x, &[9.0, 4.0, 1.0, 0.3], &mut noise, &mut Unobserved);
        let result = values(&outcome.latents().expect("the run finished"));
        assert!(result.iter().all(|v| v.abs() < 10.0), "{sampler}: {result:?}");
    }
}

#[test]
fn a_failing_model_ends_the_run_with_its_error() {
    for &sampler in Sampler::ALL {
        let mut calls = 0;
        let mut denoise = |x, sigma| {
            calls += 1;
            if calls == 3 { Err("lost the device") } else { Mixture::USUAL.denoise(x, sigma).map_err(|e| match e {}) }
        };
        let x = tensor(&[1.0; 4], [1, 4, 1, 1]);
        let sigmas = [9.0, 4.0, 1.0, 0.3, 0.0];
        let result = sampler.sample(&mut denoise, x, &sigmas, &mut Generator::seed(0), &mut Unobserved);
        assert_eq!(result.map(|_| ()), Err("lost the device"), "{sampler}");
    }
}

#[test]
fn a_brownian_path_is_one_path() {
    // Two draws from the same start: the longer increment contains the shorter one.
    let like = tensor(&[0.0; 64], [1, 4, 4, 4]);
    let mut source = Generator::seed(8);
    let mut path = BrownianPath::new(&mut source);
    let to_middle = values(&path.draw(&like, 9.0, 6.0));
    let to_end = values(&path.draw(&like, 9.0, 5.0));
    let mut draws = Generator::seed(8);
    let (first, second) = (draws.randn(64), draws.randn(64));
    let expected: Vec<f32> = first.iter().zip(&second).map(|(a, b)| (a * 3.0_f32.sqrt() + b) / 2.0).collect();
    assert!(deviation(&to_middle, &first) <= 1e-6);
    assert!(deviation(&to_end, &expected) <= 1e-6);
    // A draw from another start is a new increment.
    assert!(deviation(&values(&path.draw(&like, 5.0, 4.0)), &draws.randn(64)) <= 1e-6);
}
