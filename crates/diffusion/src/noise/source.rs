//! Where a sampler's noise comes from while it runs.

use super::Generator;
use burn::tensor::{Tensor, TensorData};

/// Noise for the steps that add some.
pub trait NoiseSource {
    /// Unit noise for the way from `sigma` down to `sigma_next`, with the shape, device and dtype of `like`.
    ///
    /// An independent source may ignore the sigmas; one that follows a path (see [`BrownianPath`]) needs
    /// them.
    fn draw(&mut self, like: &Tensor<4>, sigma: f32, sigma_next: f32) -> Tensor<4>;
}

impl NoiseSource for Generator {
    fn draw(&mut self, like: &Tensor<4>, _sigma: f32, _sigma_next: f32) -> Tensor<4> {
        let shape = like.dims();
        let numbers = self.randn(shape.iter().product());
        Tensor::from_data(TensorData::new(numbers, shape), (&like.device(), like.dtype()))
    }
}

/// Which stream the steps draw from, once the initial noise is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepNoise {
    /// On from the initial noise, as diffusers does with one `generator`.
    #[default]
    Continued,
    /// A second generator with the same seed, as ComfyUI does: the first step's noise is the initial noise
    /// again.
    Reseeded,
}

impl StepNoise {
    /// The generator for the steps; `used` is the one that the initial noise was drawn from, seeded with
    /// `seed`.
    pub fn generator(self, used: Generator, seed: u64) -> Generator {
        match self {
            Self::Continued => used,
            Self::Reseeded => Generator::seed(seed),
        }
    }
}

/// Noise along one Brownian path over sigma: `(W(next) - W(sigma)) / sqrt(sigma - next)`.
///
/// DPM-Solver++ (SDE) asks twice in one step, to the middle and to the end, from the same start. The two
/// answers must lie on one path: independent ones change the variance of the result. k-diffusion uses
/// torchsde's Brownian tree, which answers any interval in any order; samplers only ever go downwards, so
/// increments drawn in order have the same law.
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
    /// A path whose increments are drawn from `source`.
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
}
