//! Classifier-free guidance: from a conditional network to a denoiser.

use crate::{Denoise, ModelSigmas, Prediction, input_scale};
use burn::tensor::Tensor;
use std::ops::RangeInclusive;

/// How strong guidance may be; 1 is none.
pub const CFG_SCALE: RangeInclusive<f64> = 1.0..=30.0;
/// How much of the guided output's contrast may be taken back.
pub const CFG_RESCALE: RangeInclusive<f64> = 0.0..=1.0;

/// Which prompts a call of the network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompts {
    /// Every entry of the batch has the positive prompt.
    Positive,
    /// Every entry of the batch has the negative prompt.
    Negative,
    /// The first half of the batch has the negative prompt, the second half the positive one (diffusers'
    /// order).
    NegativeThenPositive,
}

/// A conditional network, untouched by sigmas and guidance.
pub trait Network {
    /// Why there is no output.
    type Error;

    /// The network's output, of the shape of `input`.
    ///
    /// `input` is `[batch, channels, height, width]`, scaled to unit variance; `timestep` is in 0..=999, not
    /// always whole. Where `prompts` is [`Prompts::NegativeThenPositive`], the batch is the latents twice.
    ///
    /// # Errors
    /// Whatever keeps the network from answering.
    fn predict(&mut self, input: Tensor<4>, timestep: f32, prompts: Prompts) -> Result<Tensor<4>, Self::Error>;
}

/// Whether guidance calls the network once with both prompts or twice with one each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passes {
    /// One call with twice the batch: fewer launches, twice the memory.
    #[default]
    One,
    /// Two calls, the negative prompt first.
    Two,
}

/// How the two predictions are combined: `negative + scale * (positive - negative)` (Ho and Salimans, 2022).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guidance {
    scale: f64,
    rescale: f64,
    passes: Passes,
}

/// Guidance that is out of range.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum GuidanceError {
    /// The scale is out of range, or not a number.
    #[error("cfg_scale is {scale}, but must be from {} to {}", CFG_SCALE.start(), CFG_SCALE.end())]
    Scale {
        /// As asked for.
        scale: f64,
    },
    /// The rescaling is out of range, or not a number.
    #[error("cfg_rescale is {rescale}, but must be from {} to {}", CFG_RESCALE.start(), CFG_RESCALE.end())]
    Rescale {
        /// As asked for.
        rescale: f64,
    },
}

impl Guidance {
    /// Guidance of a given scale, in one pass, without rescaling. At scale 1 the negative prompt has no
    /// weight and the network is not asked for it.
    ///
    /// # Errors
    /// [`GuidanceError::Scale`] outside [`CFG_SCALE`].
    pub fn new(scale: f64) -> Result<Self, GuidanceError> {
        if !CFG_SCALE.contains(&scale) {
            return Err(GuidanceError::Scale { scale });
        }
        Ok(Self { scale, rescale: 0.0, passes: Passes::default() })
    }

    /// Brings the output's standard deviation, over each picture, back towards the positive prediction's by
    /// this share (Lin et al. 2023, section 3.4; diffusers' `guidance_rescale`). For models with zero
    /// terminal signal; the paper takes 0.7.
    ///
    /// # Errors
    /// [`GuidanceError::Rescale`] outside [`CFG_RESCALE`].
    pub fn with_rescale(self, rescale: f64) -> Result<Self, GuidanceError> {
        if !CFG_RESCALE.contains(&rescale) {
            return Err(GuidanceError::Rescale { rescale });
        }
        Ok(Self { rescale, ..self })
    }

    /// The same guidance with the calls arranged otherwise.
    pub fn with_passes(self, passes: Passes) -> Self {
        Self { passes, ..self }
    }

    /// Both predictions combined, in the network's own output space, as diffusers does it. All tensors are
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

/// Standard deviation (of the sample, as `torch.std`) over each entry of a batch: `[b, c, h, w]` to
/// `[b, 1, 1, 1]`.
fn std_of_each(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let flat: Tensor<2> = x.reshape([batch, channels * height * width]);
    flat.var(1).sqrt().reshape([batch, 1, 1, 1])
}

/// A network under guidance: a [`Denoise`] for samplers.
#[derive(Debug)]
pub struct Guided<'a, N> {
    /// The network.
    pub network: N,
    /// Its training schedule: sigma to timestep.
    pub table: &'a ModelSigmas,
    /// What its output means.
    pub prediction: Prediction,
    /// How its two predictions are combined.
    pub guidance: Guidance,
}

impl<N: Network> Guided<'_, N> {
    /// The combined output, in the latents' dtype: in f16 the guided difference, times 7, would lose digits.
    fn output(&mut self, input: Tensor<4>, timestep: f32) -> Result<Tensor<4>, N::Error> {
        let dtype = input.dtype();
        let mut predict =
            |input, prompts| self.network.predict(input, timestep, prompts).map(|output| output.cast(dtype));
        if self.guidance.scale == 1.0 {
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
        let input = x.clone().mul_scalar(input_scale(sigma));
        let output = self.output(input, self.table.timestep_from_sigma(sigma))?;
        Ok(self.prediction.denoised(x, output, sigma))
    }
}
