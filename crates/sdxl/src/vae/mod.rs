//! The VAE: diffusers' `AutoencoderKL` (Rombach et al., 2022). Always in f32 (or bf16): SDXL's VAE overflows in f16 and
//! decodes to black.

mod coder;
mod memory;
mod tile;

use crate::{
    DeviceError, LoadError, Weights,
    nn::{Bias, Conv2d, Moments, Statistics},
};
use burn::tensor::{Tensor, TensorData};
use checkpoint::VaeConfig;
use coder::{Decoder, Encoder};
pub(crate) use memory::walk_decode;
use tile::{Place, Scale, Tiling};

/// Size of a picture divided by the size of its latents, along each side.
pub const FACTOR: usize = 8;

/// Limit for one activation in bytes, if the device allows more. SDXL's decoder at 1024x1024 fits into it, so its
/// result equals diffusers'.
pub(crate) const LARGEST_ACTIVATION: u64 = 1 << 30;

/// Encoder and decoder.
#[derive(Clone, Debug)]
pub struct Vae {
    encoder: Encoder,
    decoder: Decoder,
    quant_conv: Option<Conv2d>,
    post_quant_conv: Option<Conv2d>,
    config: VaeConfig,
    statistics: Option<LatentStatistics>,
    max_activation: u64,
}

/// Mean and standard deviation of each channel of the encoder's latents (diffusers' `latents_mean` and `latents_std`).
#[derive(Clone, Debug, PartialEq)]
pub struct LatentStatistics {
    /// The mean of each channel.
    pub mean: [f64; 4],
    /// The standard deviation of each channel.
    pub std: [f64; 4],
    /// The standard deviation of the sampler's latents: EDM's sigma_data, 0.5.
    pub scale: f64,
}

/// The normal distribution of a picture's latents, before scaling: both `[b, latent, h/8, w/8]`.
#[derive(Clone, Debug)]
pub struct Posterior {
    /// The mean.
    pub mean: Tensor<4>,
    /// The standard deviation.
    pub std: Tensor<4>,
}

impl Vae {
    /// Loads every parameter of an `AutoencoderKL` with this configuration. `max_buffer` is the device's largest buffer
    /// in bytes. Pictures with activations above it (or above 1 GiB) are processed in tiles.
    pub fn load(mut w: Weights, config: &VaeConfig, max_buffer: u64) -> Result<Self, LoadError> {
        let levels = config.block_out_channels.len();
        if levels != FACTOR.ilog2() as usize + 1 {
            return Err(w.config_error(format!("it has {levels} levels; a picture {FACTOR} times its latent needs 4")));
        }
        let mut conv1x1 = |name, used, channels| match used {
            true => Conv2d::load(w.sub(name), channels, channels, 1, Bias::Yes).map(Some),
            false => Ok(None),
        };
        let quant_conv = conv1x1("quant_conv", config.use_quant_conv, 2 * config.latent_channels)?;
        let post_quant_conv = conv1x1("post_quant_conv", config.use_post_quant_conv, config.latent_channels)?;
        Ok(Self {
            encoder: Encoder::load(w.sub("encoder"), config)?,
            decoder: Decoder::load(w.sub("decoder"), config)?,
            quant_conv,
            post_quant_conv,
            config: config.clone(),
            statistics: None,
            max_activation: max_buffer.min(LARGEST_ACTIVATION),
        })
    }

    /// The VAE's configuration.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// The same VAE with another limit for one activation in bytes. A smaller limit means smaller tiles.
    pub fn with_max_activation(self, bytes: u64) -> Self {
        Self { max_activation: bytes, ..self }
    }

    /// Encodes pictures in -1..1.
    ///
    /// # Shapes
    /// `[b, 3, h, w] -> [b, latent, h/8, w/8]` for both mean and standard deviation
    ///
    /// # Errors
    /// A device failure between two tiles.
    pub fn encode(&self, picture: Tensor<4>) -> Result<Posterior, DeviceError> {
        let latent = self.config.latent_channels;
        let encode = |x: Tensor<4>| {
            let moments = self.encoder.forward(x, self.max_activation);
            match &self.quant_conv {
                Some(conv) => conv.forward(moments),
                None => moments,
            }
        };
        // The first level has the size of the picture.
        let channels = self.config.block_out_channels.first().copied().unwrap_or(1);
        let tiling = Tiling::for_activation(self.max_activation, channels, 1, FACTOR);
        let moments = tiling.run(picture, Scale::Shrink(FACTOR), encode)?;
        let mean = moments.clone().narrow(1, 0, latent);
        // diffusers' limits, which keep the exponential finite.
        let log_variance = moments.narrow(1, latent, latent).clamp(-30.0, 20.0);
        Ok(Posterior { mean, std: (log_variance * 0.5).exp() })
    }

    /// Sets the statistics with which the sampler's latents are normalised, in place of the configuration's scale.
    pub fn with_statistics(self, statistics: Option<LatentStatistics>) -> Self {
        Self { statistics, ..self }
    }

    /// The statistics with which the sampler's latents are normalised. Only Playground 2.5 has them.
    pub fn statistics(&self) -> Option<&LatentStatistics> {
        self.statistics.as_ref()
    }

    /// Scales encoded latents for the sampler: `(z - shift) * scaling_factor`, or with statistics
    /// `(z - mean) * scale / std` for each channel.
    pub fn scale(&self, z: Tensor<4>) -> Tensor<4> {
        match &self.statistics {
            Some(LatentStatistics { mean, std, scale }) => {
                let (mean, factor) = (per_channel(mean, &z), per_channel(&std.map(|std| scale / std), &z));
                (z - mean) * factor
            }
            None => (z - self.config.shift_factor) * self.config.scaling_factor,
        }
    }

    /// The inverse of [`Vae::scale`].
    pub fn unscale(&self, latents: Tensor<4>) -> Tensor<4> {
        match &self.statistics {
            Some(LatentStatistics { mean, std, scale }) => {
                let (mean, factor) = (per_channel(mean, &latents), per_channel(&std.map(|std| std / scale), &latents));
                latents * factor + mean
            }
            None => latents / self.config.scaling_factor + self.config.shift_factor,
        }
    }

    /// Decodes the sampler's latents to pictures in about -1..1.
    ///
    /// Above the limit for one activation it decodes overlapping tiles and blends them. The middle part, with attention
    /// over the whole picture, still runs in one piece, and all tiles are normalised with the statistics of all tiles
    /// together. This keeps content and contrast of the tiles consistent.
    ///
    /// # Shapes
    /// `[b, latent, h, w] -> [b, 3, 8h, 8w]`
    ///
    /// # Errors
    /// A device failure between two tiles.
    pub fn decode(&self, latents: Tensor<4>) -> Result<Tensor<4>, DeviceError> {
        let z = self.unscale(latents);
        let z = match &self.post_quant_conv {
            Some(conv) => conv.forward(z),
            None => z,
        };
        let x = self.decoder.middle(z, self.max_activation);
        let tiling = decoder_tiling(&self.config, self.max_activation);
        let [_, _, h, w] = x.dims();
        if tiling.fits([h, w]) {
            return Ok(self.decoder.enlarge(x, &mut Statistics::Own));
        }
        let moments = self.pooled_moments(tiling, &x);
        tiling.run(x, Scale::Grow(FACTOR), |tile| self.decoder.enlarge(tile, &mut Statistics::Given(moments.iter())))
    }

    /// The statistics of every norm in the upsampling part, over all tiles together. This takes an additional pass over
    /// the tiles and doubles the time, but makes the tiles consistent.
    fn pooled_moments(&self, tiling: Tiling, x: &Tensor<4>) -> Vec<Moments> {
        let mut of_norms: Vec<Vec<Moments>> = Vec::new();
        for Place { tile, .. } in tiling.tiles(x) {
            let mut moments = Vec::new();
            self.decoder.enlarge(tile, &mut Statistics::Recorded(&mut moments));
            of_norms.resize_with(moments.len(), Vec::new);
            of_norms.iter_mut().zip(moments).for_each(|(norm, moments)| norm.push(moments));
        }
        of_norms.iter().map(|parts| Moments::pooled(parts)).collect()
    }
}

/// Numbers of the four channels of latents, on the device of `like`: `[1, 4, 1, 1]`.
fn per_channel(numbers: &[f64; 4], like: &Tensor<4>) -> Tensor<4> {
    let numbers: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
    Tensor::from_data(TensorData::new(numbers, [1, 4, 1, 1]), (&like.device(), like.dtype()))
}

/// Tiles for the decoder's upsampling. They are limited by the widest activation at the size of the picture: the last
/// level's input after upsampling.
fn decoder_tiling(config: &VaeConfig, max_activation: u64) -> Tiling {
    let channels = config.block_out_channels.get(1).copied().unwrap_or(1);
    Tiling::for_activation(max_activation, channels, FACTOR, 1)
}

/// Number of attention scores that may live at once: a quarter of the limit in f32, because scores, their exponentials and
/// their sums exist at the same time.
fn max_scores(max_activation: u64) -> usize {
    max_activation as usize / size_of::<f32>() / 4
}
