//! The observer is called once per step with the estimate and can stop the run.

use crate::reference::{Mixture, deviation, tensor, values};
use burn::tensor::Tensor;
use diffusion::{Generator, Observer, Outcome, Sample, Sampler, Step, Stop, Unobserved};
use std::{cell::Cell, convert::Infallible, ops::ControlFlow};

const SIGMAS: [f32; 6] = [9.0, 5.0, 2.5, 1.0, 0.3, 0.0];
const SHAPE: [usize; 4] = [1, 4, 2, 2];

/// Runs a sampler; the denoiser counts its evaluations in `evaluations`.
fn run(sampler: Sampler, evaluations: &Cell<usize>, observer: &mut dyn Observer) -> Outcome {
    let mut noise = Generator::seed(4);
    let x = tensor(&noise.randn(16), SHAPE).mul_scalar(SIGMAS[0]);
    let mut denoise = |x, sigma| -> Result<_, Infallible> {
        evaluations.set(evaluations.get() + 1);
        Mixture::USUAL.denoise(x, sigma)
    };
    let Ok(outcome) = sampler.sample(&mut denoise, x, &SIGMAS, &mut noise, observer);
    outcome
}

#[test]
fn it_is_called_exactly_once_a_step_with_the_estimate() {
    for &sampler in Sampler::ALL {
        let mut steps = Vec::new();
        let mut observer = |step: &Step<'_>| {
            let Ok(estimate) = Mixture::USUAL.denoise(step.x.clone(), step.sigma);
            assert_eq!(values(step.denoised), values(&estimate), "{sampler}: the estimate of this x");
            steps.push((step.index, step.total, step.sigma));
            ControlFlow::Continue(())
        };
        let outcome = run(sampler, &Cell::new(0), &mut observer);
        assert!(matches!(outcome, Outcome::Finished { .. }), "{sampler}");
        let expected: Vec<_> = SIGMAS.iter().take(5).enumerate().map(|(i, &sigma)| (i, 5, sigma)).collect();
        assert_eq!(steps, expected, "{sampler}");
    }
}

#[test]
fn keeping_gives_the_estimate_and_its_step() {
    for &sampler in Sampler::ALL {
        for stop_at in 0..5 {
            let mut estimate = Vec::new();
            let mut observer = |step: &Step<'_>| {
                estimate = values(step.denoised);
                if step.index == stop_at { ControlFlow::Break(Stop::Keep) } else { ControlFlow::Continue(()) }
            };
            match run(sampler, &Cell::new(0), &mut observer) {
                Outcome::Kept { latents, step } => {
                    assert_eq!(step, stop_at + 1, "{sampler}");
                    assert_eq!(deviation(&values(&latents), &estimate), 0.0, "{sampler}");
                }
                other => panic!("{sampler} was to keep, but: {other:?}"),
            }
        }
    }
}

#[test]
fn cancelling_at_a_step_ends_it_there() {
    for &sampler in Sampler::ALL {
        let evaluations = Cell::new(0);
        let mut at_third = 0;
        let mut observer = |step: &Step<'_>| {
            at_third = evaluations.get();
            if step.index == 2 { ControlFlow::Break(Stop::Cancel) } else { ControlFlow::Continue(()) }
        };
        let outcome = run(sampler, &evaluations, &mut observer);
        assert!(matches!(outcome, Outcome::Cancelled { step: 3 }), "{sampler}: {outcome:?}");
        assert_eq!(evaluations.get(), at_third, "{sampler}: no evaluation after it");
    }
}

/// Cancels once `limit` evaluations have been made.
struct CancelledAfter<'a> {
    evaluations: &'a Cell<usize>,
    limit: usize,
    steps: usize,
}

impl Observer for CancelledAfter<'_> {
    fn step(&mut self, _step: &Step<'_>) -> ControlFlow<Stop> {
        self.steps += 1;
        ControlFlow::Continue(())
    }

    fn is_cancelled(&self) -> bool {
        self.evaluations.get() >= self.limit
    }
}

#[test]
fn cancelling_from_elsewhere_takes_effect_before_the_next_evaluation() {
    for &sampler in Sampler::ALL {
        // Samplers with two evaluations per step are in the middle of their second step after three.
        for limit in 0..5 {
            let evaluations = Cell::new(0);
            let mut observer = CancelledAfter { evaluations: &evaluations, limit, steps: 0 };
            let outcome = run(sampler, &evaluations, &mut observer);
            let seen = observer.steps;
            assert!(matches!(outcome, Outcome::Cancelled { .. }), "{sampler}: {outcome:?}");
            assert_eq!(evaluations.get(), limit, "{sampler}");
            assert!(seen <= limit, "{sampler}: {seen} steps seen");
        }
    }
}

/// Pauses before a step.
struct PausesBefore(usize);

impl Observer for PausesBefore {
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<Stop> {
        assert!(step.index < self.0, "no step runs after the pause");
        ControlFlow::Continue(())
    }

    fn pauses_before(&mut self, index: usize) -> bool {
        index == self.0
    }
}

#[test]
fn a_paused_run_evaluates_nothing_twice_and_goes_on_to_the_same_result() {
    for &sampler in Sampler::ALL {
        let whole_evaluations = Cell::new(0);
        let whole = run(sampler, &whole_evaluations, &mut Unobserved).latents().expect("finished");
        for at in 0..5 {
            let evaluations = Cell::new(0);
            let Outcome::Paused { state } = run(sampler, &evaluations, &mut PausesBefore(at)) else {
                panic!("{sampler} was to pause before step {at}")
            };
            assert_eq!(state.step, at, "{sampler}");
            let mut noise = Generator::at(4, state.noise).expect("a position of this test");
            let mut denoise = |x, sigma| -> Result<_, Infallible> {
                evaluations.set(evaluations.get() + 1);
                Mixture::USUAL.denoise(x, sigma)
            };
            let Ok(rest) = sampler.sample_from(&mut denoise, state, &SIGMAS, &mut noise, &mut Unobserved);
            let bits = |of: &Tensor<4>| values(of).iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&rest.latents().expect("finished")), bits(&whole), "{sampler} paused before step {at}");
            assert_eq!(evaluations.get(), whole_evaluations.get(), "{sampler} paused before step {at}");
        }
    }
}
