//! Noise sources for samplers.

use super::Generator;
use burn::tensor::{Tensor, TensorData};

/// How much of a random stream was drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NoisePosition {
    /// Words of 32 random bits since the seed.
    pub words: u64,
    /// The number that [`Generator`] keeps for its next call after a request for fewer than 16 numbers.
    pub spare: Option<f64>,
}

impl NoisePosition {
    /// The furthest position that [`Generator::at`] goes to. 1000 steps of a picture of 2048 x 2048 pixels with two draws
    /// each take an eighth of it.
    pub const MOST_WORDS: u64 = 1 << 32;
}

/// Supplies the noise that stochastic samplers add in their steps.
pub trait NoiseSource {
    /// Returns unit-variance noise for the step from `sigma` down to `sigma_next`, with the shape, device and dtype of
    /// `like`.
    ///
    /// A source of independent noise may ignore the sigmas. A source that follows a path ([`BrownianPath`]) needs them.
    fn draw(&mut self, like: &Tensor<4>, sigma: f32, sigma_next: f32) -> Tensor<4>;

    /// How much of the random stream was drawn.
    fn position(&self) -> NoisePosition;
}

impl NoiseSource for Generator {
    fn draw(&mut self, like: &Tensor<4>, _sigma: f32, _sigma_next: f32) -> Tensor<4> {
        let shape = like.dims();
        let numbers = self.randn(shape.iter().product());
        Tensor::from_data(TensorData::new(numbers, shape), (&like.device(), like.dtype()))
    }

    fn position(&self) -> NoisePosition {
        Generator::position(self)
    }
}

/// Which random stream the steps draw from after the initial noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepNoise {
    /// The stream continues after the initial noise, as in diffusers with one `generator`.
    #[default]
    Continued,
    /// A second generator with the same seed, as in ComfyUI. The first step's noise then equals the initial noise.
    Reseeded,
}

impl StepNoise {
    /// The generator for the steps. `used` is the generator that drew the initial noise; it was seeded with `seed`.
    pub fn generator(self, used: Generator, seed: u64) -> Generator {
        match self {
            Self::Continued => used,
            Self::Reseeded => Generator::seed(seed),
        }
    }
}

/// Noise from one Brownian path over sigma: `(W(next) - W(sigma)) / sqrt(sigma - next)`.
///
/// DPM-Solver++ (SDE) draws twice per step from the same start: to the middle and to the end. Both must lie on one
/// path; independent draws would change the variance of the result. k-diffusion uses torchsde's Brownian tree, which
/// answers any interval in any order. Samplers only go from high to low sigma, so increments drawn in order have the
/// same distribution. Increments of different steps are independent, so between steps the position in `source` is all
/// that a path keeps.
pub struct BrownianPath<'a> {
    source: &'a mut dyn NoiseSource,
    last: Option<Increment>,
}

/// `W(to) - W(from)`.
struct Increment {
    from: f32,
    to: f32,
    change: Tensor<4>,
}

impl<'a> BrownianPath<'a> {
    /// A path that draws its increments from `source`.
    pub fn new(source: &'a mut dyn NoiseSource) -> Self {
        Self { source, last: None }
    }
}

impl NoiseSource for BrownianPath<'_> {
    fn draw(&mut self, like: &Tensor<4>, sigma: f32, sigma_next: f32) -> Tensor<4> {
        let known = self.last.take().filter(|last| last.from == sigma && last.to > sigma_next);
        let change = match known {
            Some(Increment { to, change, .. }) => {
                let rest = self.source.draw(like, to, sigma_next);
                change + rest.mul_scalar((to - sigma_next).max(0.0).sqrt())
            }
            None => {
                let unit = self.source.draw(like, sigma, sigma_next);
                unit.mul_scalar((sigma - sigma_next).max(0.0).sqrt())
            }
        };
        self.last = Some(Increment { from: sigma, to: sigma_next, change: change.clone() });
        change.div_scalar((sigma - sigma_next).max(f32::MIN_POSITIVE).sqrt())
    }

    fn position(&self) -> NoisePosition {
        self.source.position()
    }
}
