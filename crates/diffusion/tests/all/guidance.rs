//! Guidance and prediction types against diffusers and k-diffusion.

use crate::reference::{deviation, read, tensor, values};
use burn::tensor::Tensor;
use diffusion::{
    Denoise, Guidance, GuidanceError, Guided, ModelSigmas, Network, Passes, Preconditioning, Prediction, Prompts,
};
use serde::Deserialize;
use std::convert::Infallible;

#[derive(Deserialize)]
struct File {
    shape: [usize; 4],
    negative: Vec<f32>,
    positive: Vec<f32>,
    x: Vec<f32>,
    scale: f64,
    rescale: f64,
    guided: Vec<f32>,
    rescaled: Vec<f32>,
    estimates: Vec<Estimate>,
}

#[derive(Deserialize)]
struct Estimate {
    sigma: f32,
    input_scale: f32,
    epsilon: Vec<f32>,
    v: Vec<f32>,
}

#[test]
fn guidance_and_its_rescaling_are_diffusers() {
    let file: File = read("guidance.json");
    let guidance = Guidance::new(file.scale).expect("in range");
    let (negative, positive) = (tensor(&file.negative, file.shape), tensor(&file.positive, file.shape));
    let guided = guidance.combine(negative.clone(), positive.clone());
    assert!(deviation(&values(&guided), &file.guided) <= 2e-6);
    let rescaled = guidance.with_rescale(file.rescale).expect("in range").combine(negative, positive);
    assert!(deviation(&values(&rescaled), &file.rescaled) <= 4e-6);
}

#[test]
fn estimates_are_k_diffusions() {
    let file: File = read("guidance.json");
    for Estimate { sigma, input_scale: scale, epsilon, v } in &file.estimates {
        assert!((Preconditioning::default().input_scale(*sigma) / scale - 1.0).abs() <= 1e-7);
        for (prediction, expected) in [(Prediction::Epsilon, epsilon), (Prediction::V, v)] {
            let (x, output) = (tensor(&file.x, file.shape), tensor(&file.positive, file.shape));
            let off = deviation(&values(&Preconditioning::from(prediction).denoised(x, output, *sigma)), expected);
            assert!(off <= 4e-6, "{prediction:?} at {sigma}: off by {off:e}");
        }
    }
}

/// Predicts a multiple of its input, with a different factor for each prompt, and records its calls.
#[derive(Default)]
struct Multiples(Vec<(Prompts, usize, f32)>);

const POSITIVE: f32 = 0.5;
const NEGATIVE: f32 = -0.25;

impl Network for Multiples {
    type Error = Infallible;

    fn predict(&mut self, input: Tensor<4>, timestep: f32, prompts: Prompts) -> Result<Tensor<4>, Infallible> {
        let [batch, ..] = input.dims();
        self.0.push((prompts, batch, timestep));
        Ok(match prompts {
            Prompts::Positive => input.mul_scalar(POSITIVE),
            // This network has no weighted parts.
            Prompts::Part(number) => unreachable!("part {number}"),
            Prompts::Negative => input.mul_scalar(NEGATIVE),
            Prompts::NegativeThenPositive => {
                let negative = input.clone().narrow(0, 0, batch / 2).mul_scalar(NEGATIVE);
                Tensor::cat(vec![negative, input.narrow(0, batch / 2, batch / 2).mul_scalar(POSITIVE)], 0)
            }
        })
    }
}

#[test]
fn one_pass_and_two_agree_and_scales_up_to_one_ask_once() {
    let table = ModelSigmas::default();
    let sigma = table.as_slice()[500];
    let x: Vec<f32> = (0..32_u8).map(|i| f32::from(i) / 7.0 - 2.0).collect();
    let cases = [
        (5.0, Passes::One, vec![(Prompts::NegativeThenPositive, 4, 500.0)]),
        (5.0, Passes::Two, vec![(Prompts::Negative, 2, 500.0), (Prompts::Positive, 2, 500.0)]),
        (1.0, Passes::One, vec![(Prompts::Positive, 2, 500.0)]),
        (1.0, Passes::Two, vec![(Prompts::Positive, 2, 500.0)]),
        (0.0, Passes::One, vec![(Prompts::Positive, 2, 500.0)]),
        (0.0, Passes::Two, vec![(Prompts::Positive, 2, 500.0)]),
        (0.5, Passes::One, vec![(Prompts::Positive, 2, 500.0)]),
        (1.01, Passes::One, vec![(Prompts::NegativeThenPositive, 4, 500.0)]),
    ];
    for (scale, passes, calls) in cases {
        let guidance = Guidance::new(scale).expect("in range").with_passes(passes);
        let network = Multiples::default();
        let mut guided = Guided { network, table: &table, prediction: Prediction::Epsilon, guidance };
        let Ok(estimate) = guided.denoise(tensor(&x, [2, 4, 2, 2]), sigma);
        assert_eq!(guided.network.0, calls, "scale {scale}, {passes:?}");
        // Scales below 1 mean no guidance, like 1.
        let factor = NEGATIVE + scale.max(1.0) as f32 * (POSITIVE - NEGATIVE);
        let input_scale = Preconditioning::default().input_scale(sigma);
        let expected: Vec<f32> = x.iter().map(|x| x - sigma * factor * x * input_scale).collect();
        assert!(deviation(&values(&estimate), &expected) <= 1e-5, "scale {scale}, {passes:?}");
    }
}

#[test]
fn out_of_range_is_an_error_that_names_the_range() {
    for scale in [-0.001, 30.1, f64::NAN, f64::INFINITY] {
        assert!(matches!(Guidance::new(scale), Err(GuidanceError::Scale { .. })), "{scale}");
    }
    let error = Guidance::new(99.0).expect_err("out of range").to_string();
    assert_eq!(error, "cfg_scale is 99, but must be from 0 to 30");
    for rescale in [-0.1, 1.1, f64::NAN] {
        assert!(Guidance::new(7.0).expect("in range").with_rescale(rescale).is_err(), "{rescale}");
    }
}
