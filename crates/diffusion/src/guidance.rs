//! Classifier-free guidance: turns a conditional network into a denoiser.

use crate::{CFG_RESCALE, CFG_SCALE, Denoise, ModelSigmas, Preconditioning, Prediction, is_guided};
use burn::tensor::Tensor;

/// Which prompts one call of the network uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompts {
    /// All batch entries use the positive prompt.
    Positive,
    /// All batch entries use the negative prompt.
    Negative,
    /// The first half of the batch uses the negative prompt, the second half the positive one (the order of diffusers).
    NegativeThenPositive,
    /// All batch entries use this part of the positive prompt, counted from 0.
    Part(usize),
}

/// A conditional network. It does not know about sigmas or guidance.
pub trait Network {
    /// Why the network returned no output.
    type Error;

    /// Returns the network's output, of the same shape as `input`.
    ///
    /// `input` is `[batch, channels, height, width]`, scaled to unit variance. `timestep` is
    /// [`ModelSigmas::network_timestep`]: 0..=999, possibly fractional, or a logarithm for EDM. With [`Prompts::NegativeThenPositive`] the batch contains the latents twice.
    ///
    /// # Errors
    /// Any error of the network.
    fn predict(&mut self, input: Tensor<4>, timestep: f32, prompts: Prompts) -> Result<Tensor<4>, Self::Error>;

    /// Called before each evaluation of the model, which may make several predictions. Prompts may change between
    /// evaluations.
    fn next_evaluation(&mut self) {}

    /// The weight of each part of the positive prompt, if its parts are predicted separately ([`Prompts::Part`]).
    fn part_weights(&self) -> Option<Vec<f64>> {
        None
    }
}

/// Whether guidance calls the network once with both prompts or once for each prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passes {
    /// One call with twice the batch: fewer launches, twice the memory.
    #[default]
    One,
    /// Two calls, the negative prompt first.
    Two,
}

/// Combines the two predictions: `negative + scale * (positive - negative)` (Ho and Salimans, 2022).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guidance {
    scale: f64,
    rescale: f64,
    passes: Passes,
}

/// A guidance parameter is out of range.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum GuidanceError {
    /// The scale is out of range, or not a number.
    #[error("cfg_scale is {scale}, but must be from {} to {}", CFG_SCALE.start(), CFG_SCALE.end())]
    Scale {
        /// The requested value.
        scale: f64,
    },
    /// The rescaling is out of range, or not a number.
    #[error("cfg_rescale is {rescale}, but must be from {} to {}", CFG_RESCALE.start(), CFG_RESCALE.end())]
    Rescale {
        /// The requested value.
        rescale: f64,
    },
}

impl Guidance {
    /// Guidance with the given scale, one network call per evaluation, no rescaling. With scales up to 1 there is no
    /// guidance ([`is_guided`]): the network is called for the positive prompt only.
    ///
    /// # Errors
    /// [`GuidanceError::Scale`] outside [`CFG_SCALE`].
    pub fn new(scale: f64) -> Result<Self, GuidanceError> {
        if !CFG_SCALE.contains(&scale) {
            return Err(GuidanceError::Scale { scale });
        }
        Ok(Self { scale, rescale: 0.0, passes: Passes::default() })
    }

    /// Sets the rescale factor: how far the standard deviation of the guided output, computed per batch entry, is moved
    /// back towards that of the positive prediction (Lin et al. 2023, section 3.4; diffusers' `guidance_rescale`).
    /// Meant for models trained with zero terminal SNR; the paper uses 0.7.
    ///
    /// # Errors
    /// [`GuidanceError::Rescale`] outside [`CFG_RESCALE`].
    pub fn with_rescale(self, rescale: f64) -> Result<Self, GuidanceError> {
        if !CFG_RESCALE.contains(&rescale) {
            return Err(GuidanceError::Rescale { rescale });
        }
        Ok(Self { rescale, ..self })
    }

    /// Sets whether both prompts share one network call.
    pub fn with_passes(self, passes: Passes) -> Self {
        Self { passes, ..self }
    }

    /// Combines both predictions in the network's output space, as diffusers does. All tensors are
    /// `[batch, channels, height, width]`.
    pub fn combine(&self, negative: Tensor<4>, positive: Tensor<4>) -> Tensor<4> {
        let difference = positive.clone() - negative.clone();
        let guided = negative + difference.mul_scalar(self.scale as f32);
        if self.rescale == 0.0 {
            return guided;
        }
        let factor = std_of_each(positive) / std_of_each(guided.clone());
        let factor = factor.mul_scalar(self.rescale as f32).add_scalar((1.0 - self.rescale) as f32);
        guided * factor
    }
}

/// `negative + sum(weight * (part - negative))`: the prediction of a prompt with weighted parts (Liu et al. 2022).
fn composed(negative: &Tensor<4>, parts: Vec<(Tensor<4>, f64)>) -> Tensor<4> {
    let add = |sum, (part, weight): (Tensor<4>, f64)| sum + (part - negative.clone()).mul_scalar(weight as f32);
    parts.into_iter().fold(negative.clone(), add)
}

/// Sample standard deviation (as `torch.std`) of each batch entry: `[b, c, h, w]` to `[b, 1, 1, 1]`.
fn std_of_each(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let flat: Tensor<2> = x.reshape([batch, channels * height * width]);
    flat.var(1).sqrt().reshape([batch, 1, 1, 1])
}

/// A network with guidance: the [`Denoise`] implementation for samplers.
#[derive(Debug)]
pub struct Guided<'a, N> {
    /// The network.
    pub network: N,
    /// The training schedule, which converts sigma to timestep and determines the scalings.
    pub table: &'a ModelSigmas,
    /// What the network's output means.
    pub prediction: Prediction,
    /// How the two predictions are combined.
    pub guidance: Guidance,
}

impl<N: Network> Guided<'_, N> {
    /// The combined output in the dtype of the latents. Combining in f16 would lose digits: the guided difference is
    /// multiplied by the scale (7, for example).
    fn output(&mut self, input: Tensor<4>, timestep: f32) -> Result<Tensor<4>, N::Error> {
        let dtype = input.dtype();
        self.network.next_evaluation();
        let weights = self.network.part_weights();
        let mut predict =
            |input, prompts| self.network.predict(input, timestep, prompts).map(|output| output.cast(dtype));
        let is_guided = is_guided(self.guidance.scale);
        if let Some(weights) = weights {
            let negative = predict(input.clone(), Prompts::Negative)?;
            let mut parts = Vec::with_capacity(weights.len());
            for (number, weight) in weights.into_iter().enumerate() {
                parts.push((predict(input.clone(), Prompts::Part(number))?, weight));
            }
            let positive = composed(&negative, parts);
            return Ok(if is_guided { self.guidance.combine(negative, positive) } else { positive });
        }
        if !is_guided {
            return predict(input, Prompts::Positive);
        }
        let (negative, positive) = match self.guidance.passes {
            Passes::One => {
                let [batch, ..] = input.dims();
                let twice = Tensor::cat(vec![input.clone(), input], 0);
                let output = predict(twice, Prompts::NegativeThenPositive)?;
                (output.clone().narrow(0, 0, batch), output.narrow(0, batch, batch))
            }
            Passes::Two => {
                let negative = predict(input.clone(), Prompts::Negative)?;
                (negative, predict(input, Prompts::Positive)?)
            }
        };
        Ok(self.guidance.combine(negative, positive))
    }
}

impl<N: Network> Denoise for Guided<'_, N> {
    type Error = N::Error;

    fn denoise(&mut self, x: Tensor<4>, sigma: f32) -> Result<Tensor<4>, N::Error> {
        let sigma_data = self.table.edm().map(|edm| edm.sigma_data);
        let scaling = Preconditioning { prediction: self.prediction, sigma_data };
        let input = x.clone().mul_scalar(scaling.input_scale(sigma));
        let output = self.output(input, self.table.network_timestep(sigma))?;
        Ok(scaling.denoised(x, output, sigma))
    }

    fn table(&self) -> &ModelSigmas {
        self.table
    }
}
