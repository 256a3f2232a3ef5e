//! `dpmpp_sde` draws from its Brownian path in another order than torchsde's tree. Its results must have the same
//! distribution, not the same values.

use crate::reference::{Mixture, read, tensor, values};
use diffusion::{Generator, Sample, Sampler, Unobserved, dpmpp_sde};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    sigmas: Vec<f32>,
    /// Initial value of every element; the elements are independent.
    start: f32,
    count: usize,
    /// Mean, variance and mean absolute deviation with k-diffusion's Brownian tree.
    moments: [f64; 3],
    /// The same with independent noise, which is wrong.
    independent: [f64; 3],
}

const SEEDS: u64 = 8;
const SHAPE: [usize; 4] = [1, 4, 128, 128];

fn moments(results: &[f32]) -> [f64; 3] {
    let mean_of = |f: &dyn Fn(f64) -> f64| results.iter().map(|&v| f(v.into())).sum::<f64>() / results.len() as f64;
    let mean = mean_of(&|v| v);
    [mean, mean_of(&|v| (v - mean).powi(2)), mean_of(&|v| (v - mean).abs())]
}

#[test]
fn dpmpp_sde_has_the_distribution_of_the_brownian_tree() {
    let File { sigmas, start, count, moments: expected, independent } = read("moments.json");
    let elements: usize = SHAPE.iter().product();
    let (mut along_a_path, mut apart) = (Vec::new(), Vec::new());
    for seed in 0..SEEDS {
        let x = || tensor(&vec![start; elements], SHAPE);
        let mut denoise = |x, sigma| Mixture::USUAL.denoise(x, sigma);
        let mut noise = Generator::seed(seed);
        let Ok(outcome) = Sampler::DpmppSde.sample(&mut denoise, x(), &sigmas, &mut noise, &mut Unobserved);
        along_a_path.extend(values(&outcome.latents().expect("the run finished")));
        let Ok(outcome) = dpmpp_sde(&mut denoise, x(), &sigmas, &mut noise, &mut Unobserved);
        apart.extend(values(&outcome.latents().expect("the run finished")));
    }
    assert_eq!(along_a_path.len(), count, "as many samples as the reference has");
    // Both sides are estimated from `count` samples: allow five standard errors of their difference.
    let bound = 5.0 * (2.0 * expected[1] / count as f64).sqrt();
    let (ours, ours_apart) = (moments(&along_a_path), moments(&apart));
    println!("moments {ours:?}, reference {expected:?}, bound {bound:.5}");
    for (a, b) in ours.iter().zip(&expected).chain(ours_apart.iter().zip(&independent)) {
        assert!((a - b).abs() <= bound, "{ours:?} and {ours_apart:?}, not {expected:?} and {independent:?}");
    }
    assert!((independent[1] - expected[1]).abs() > 10.0 * bound, "the test tells a path from independent noise");
}
