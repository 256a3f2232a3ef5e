//! Reads the references, and defines the closed-form denoiser that the sampler references were made with.

use burn::tensor::{Device, Tensor, TensorData};
use serde::de::DeserializeOwned;
use std::convert::Infallible;

/// Reads one of the exporter's files.
pub fn read<T: DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(format!("tests/reference/{name}")).expect("the reference file is there");
    serde_json::from_str(&text).expect("the reference file has the expected form")
}

/// The CPU, in f32.
pub fn device() -> Device {
    Device::flex()
}

pub fn tensor(values: &[f32], shape: [usize; 4]) -> Tensor<4> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &device())
}

pub fn values(tensor: &Tensor<4>) -> Vec<f32> {
    tensor.try_to_vec_as().expect("f32 values")
}

/// The largest absolute difference. The lengths must be equal.
pub fn deviation(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len(), "as many values as the reference has");
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, nan_is_worst)
}

/// The largest relative difference. A reference value of 0 must match exactly.
pub fn relative_deviation(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len(), "as many values as the reference has");
    let relative = |a: f32, b: f32| if a == b { 0.0 } else { (a - b).abs() / b.abs() };
    ours.iter().zip(theirs).map(|(a, b)| relative(*a, *b)).fold(0.0, nan_is_worst)
}

fn nan_is_worst(worst: f32, next: f32) -> f32 {
    if next.is_nan() { f32::INFINITY } else { worst.max(next) }
}

/// The posterior mean for an equal mixture of two normal distributions with means `centre - mean` and `centre + mean`.
#[derive(Clone, Copy, serde::Deserialize)]
pub struct Mixture {
    pub centre: f64,
    pub mean: f64,
    pub deviation: f64,
}

impl Mixture {
    pub const USUAL: Self = Self { centre: 0.4, mean: 1.2, deviation: 0.35 };

    pub fn denoise(&self, x: Tensor<4>, sigma: f32) -> Result<Tensor<4>, Infallible> {
        let sigma2 = f64::from(sigma).powi(2);
        let own2 = self.deviation.powi(2);
        let sum = own2 + sigma2;
        let u = x.sub_scalar(self.centre as f32);
        let bent = u.clone().mul_scalar((self.mean / sum) as f32).tanh();
        let estimate = u.mul_scalar((own2 / sum) as f32) + bent.mul_scalar((self.mean * sigma2 / sum) as f32);
        Ok(estimate.add_scalar(self.centre as f32))
    }
}
