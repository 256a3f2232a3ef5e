//! A run that is continued from the state before any of its steps gives the numbers of the uninterrupted run, bit for bit.

use crate::reference::{Mixture, tensor, values};
use diffusion::{
    Generator, ModelSigmas, NoisePosition, Past, Sample, Sampler, SamplerState, Schedule, Sigmas, Start, Step, Stop,
    Unobserved,
};
use std::ops::ControlFlow;

const SEED: u64 = 21;
const STEPS: usize = 7;

/// A state as a file would hold it: numbers, no tensors.
struct Stored {
    step: usize,
    x: Vec<f32>,
    past: Vec<(f64, Vec<f32>)>,
    noise: NoisePosition,
}

impl Stored {
    fn new(state: &SamplerState) -> Self {
        let past = state.past.iter().map(|past| (past.sigma, values(&past.value))).collect();
        Self { step: state.step, x: values(&state.x), past, noise: state.noise }
    }

    fn state(&self, shape: [usize; 4]) -> SamplerState {
        let past = |(sigma, value): &(f64, Vec<f32>)| Past { sigma: *sigma, value: tensor(value, shape) };
        let past = self.past.iter().map(past).collect();
        SamplerState { step: self.step, x: tensor(&self.x, shape), past, noise: self.noise }
    }
}

/// A run's result, with the x and the state of each of its steps.
struct Ran {
    states: Vec<Stored>,
    result: Vec<f32>,
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn finished(sampler: Sampler, sigmas: &[f32], state: SamplerState, noise: &mut Generator) -> Ran {
    let mut states = Vec::new();
    let mut observer = |step: &Step<'_>| {
        states.push(Stored::new(&step.state()));
        ControlFlow::<Stop>::Continue(())
    };
    let mut denoise = |x, sigma| Mixture::USUAL.denoise(x, sigma);
    let Ok(outcome) = sampler.sample_from(&mut denoise, state, sigmas, noise, &mut observer);
    Ran { states, result: values(&outcome.latents().expect("it finished")) }
}

/// The start of a run: latents at the first noise level, and the generator of the steps' noise.
fn begun(sigmas: &[f32], scale: f32, shape: [usize; 4], picture: bool) -> (SamplerState, Generator) {
    let mut noise = Generator::seed(SEED);
    let count = shape.iter().product();
    let clean = if picture { noise.randn(count) } else { vec![0.0; count] };
    let x: Vec<f32> = clean.iter().zip(noise.randn(count)).map(|(clean, noise)| clean + scale * noise).collect();
    assert!(!sigmas.is_empty());
    (SamplerState { step: 0, x: tensor(&x, shape), past: Vec::new(), noise: noise.position() }, noise)
}

/// Continues a run from each of its states and compares every later x, state and the result.
fn check(sampler: Sampler, sigmas: &[f32], scale: f32, shape: [usize; 4], picture: bool, what: &str) {
    let (state, mut noise) = begun(sigmas, scale, shape, picture);
    let whole = finished(sampler, sigmas, state, &mut noise);
    assert_eq!(whole.states.len(), sigmas.len() - 1, "{what}");
    for (step, stored) in whole.states.iter().enumerate() {
        assert_eq!(stored.step, step, "{what}");
        let mut noise = Generator::at(SEED, stored.noise).expect("a position of this test");
        let rest = finished(sampler, sigmas, stored.state(shape), &mut noise);
        assert_eq!(rest.states.len(), whole.states.len() - step, "{what}: only the rest runs after step {step}");
        for (ours, theirs) in rest.states.iter().zip(&whole.states[step..]) {
            assert_eq!(bits(&ours.x), bits(&theirs.x), "{what}: x of step {} after step {step}", theirs.step);
            assert_eq!(ours.noise, theirs.noise, "{what}: the noise of step {} after step {step}", theirs.step);
            let past = |of: &Stored| of.past.iter().map(|(sigma, v)| (sigma.to_bits(), bits(v))).collect::<Vec<_>>();
            assert_eq!(past(ours), past(theirs), "{what}: what step {} keeps after step {step}", theirs.step);
        }
        assert_eq!(bits(&rest.result), bits(&whole.result), "{what}: continued after step {step}");
    }
}

#[test]
fn from_every_step_with_every_sampler_and_schedule() {
    let table = ModelSigmas::default();
    for &sampler in Sampler::ALL {
        for &schedule in Schedule::ALL {
            let sigmas = schedule.sigmas(&table, STEPS).expect("valid steps");
            let scale = schedule.noise_scale(&table, sigmas[0], Start::Noise);
            check(sampler, &sigmas, scale, [1, 4, 3, 5], false, &format!("{sampler}, {schedule}"));
        }
    }
}

#[test]
fn from_every_step_over_a_picture() {
    let table = ModelSigmas::default();
    for &sampler in Sampler::ALL {
        for &schedule in Schedule::ALL {
            for strength in [0.3, 0.75] {
                let sigmas = schedule.truncated(&table, STEPS, strength).expect("valid");
                let scale = schedule.noise_scale(&table, sigmas[0], Start::Image);
                let what = format!("{sampler}, {schedule}, strength {strength}");
                check(sampler, &sigmas, scale, [1, 4, 3, 5], true, &what);
            }
        }
    }
}

#[test]
fn requests_for_few_numbers_keep_a_spare_one() {
    // 12 numbers: PyTorch's scalar path, which makes them in pairs. 5 leave half a pair.
    let sigmas = [9.0, 4.0, 1.5, 0.4, 0.0];
    for shape in [[1, 4, 1, 3], [1, 1, 1, 5]] {
        check(Sampler::EulerAncestral, &sigmas, 9.0, shape, false, "few numbers");
    }
    let mut noise = Generator::seed(SEED);
    noise.randn(5);
    assert!(noise.position().spare.is_some());
    let mut later = Generator::at(SEED, noise.position()).expect("near");
    assert_eq!(bits(&noise.randn(40)), bits(&later.randn(40)), "the vectorised path leaves the spare number");
    assert_eq!(bits(&noise.randn(3)), bits(&later.randn(3)));
}

#[test]
fn a_position_counts_words_across_blocks_and_is_bounded() {
    for drawn in [0, 1, 623, 624, 625, 5000] {
        let mut noise = Generator::seed(7);
        noise.rand(drawn);
        assert_eq!(noise.position(), NoisePosition { words: drawn as u64, spare: None });
        let mut later = Generator::at(7, noise.position()).expect("near");
        assert_eq!(bits(&noise.randn(700)), bits(&later.randn(700)), "after {drawn} words");
    }
    let far = NoisePosition { words: NoisePosition::MOST_WORDS + 1, spare: None };
    assert!(Generator::at(7, far).is_none());
}

#[test]
fn what_a_sampler_keeps_and_its_noise_matter() {
    // The comparisons above see a state that lacks a part.
    let table = ModelSigmas::default();
    let sigmas = Schedule::Karras.sigmas(&table, STEPS).expect("valid steps");
    let multistep = [Sampler::Lms, Sampler::Dpmpp2m, Sampler::Dpmpp2mSde, Sampler::Dpmpp3mSde, Sampler::UniPc];
    let result = |sampler, change: fn(&mut SamplerState)| {
        let (state, mut noise) = begun(&sigmas, sigmas[0], [1, 4, 3, 5], false);
        let whole = finished(sampler, &sigmas, state, &mut noise);
        let mut state = whole.states[4].state([1, 4, 3, 5]);
        change(&mut state);
        let mut noise = Generator::at(SEED, state.noise).expect("near");
        (whole.result, finished(sampler, &sigmas, state, &mut noise).result)
    };
    for &sampler in Sampler::ALL {
        let (whole, rest) = result(sampler, |state| state.past.clear());
        assert_eq!(bits(&whole) != bits(&rest), multistep.contains(&sampler), "{sampler}: what it keeps");
        assert!(rest.iter().all(|x| x.is_finite()), "{sampler} starts again with its first order");
    }
    let (whole, rest) = result(Sampler::EulerAncestral, |state| state.noise.words += 1);
    assert_ne!(bits(&whole), bits(&rest));
}

#[test]
fn a_state_after_the_last_step_is_the_result() {
    for &sampler in Sampler::ALL {
        let x = tensor(&[1.0, 2.0, 3.0, 4.0], [1, 4, 1, 1]);
        let noise = NoisePosition::default();
        for step in [2, 3, usize::MAX] {
            let state = SamplerState { step, x: x.clone(), past: Vec::new(), noise };
            let mut denoise = |x, sigma| Mixture::USUAL.denoise(x, sigma);
            let sigmas = [3.0, 1.0, 0.0];
            let mut source = Generator::seed(0);
            let Ok(outcome) = sampler.sample_from(&mut denoise, state, &sigmas, &mut source, &mut Unobserved);
            assert_eq!(values(&outcome.latents().expect("finished")), [1.0, 2.0, 3.0, 4.0], "{sampler}");
        }
    }
}
