//! Preview pictures of an estimate during sampling.

use super::Pipeline;
use crate::{Error, FACTOR, HostTensor, Picture, latent2rgb};
use burn::tensor::{
    Tensor, module,
    ops::{InterpolateMode, InterpolateOptions},
};

/// How an estimate is turned into a preview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PreviewDecoder {
    /// A matrix per pixel, at the size of the latent: immediate but coarse.
    Latent2Rgb,
    /// A small decoder, at the size of the picture but at most 512 pixels on the long side: slower, sharper.
    Taesd,
}

/// Long side of a TAESD preview, in pixels.
const LONGEST_PX: usize = 512;

impl Pipeline {
    /// Whether the pipeline has a TAESD.
    pub fn has_taesd(&self) -> bool {
        self.taesd.is_some()
    }

    /// Returns a picture of `estimate`: a step's `denoised`, not divided by the VAE's scaling factor. Waits for the
    /// device.
    ///
    /// # Shapes
    /// `estimate`: `[1, 4, h, w]`; only the first of a larger batch is used
    ///
    /// # Errors
    /// [`Error::NoTaesd`], or a device failure.
    pub fn preview(&self, decoder: PreviewDecoder, estimate: &Tensor<4>) -> Result<Picture, Error> {
        const DOING: &str = "decoding a preview";
        let estimate = &self.in_sdxls_scale(estimate.clone());
        match decoder {
            PreviewDecoder::Latent2Rgb => {
                let [_, _, h, w] = estimate.dims();
                let latents = HostTensor::read(estimate.clone(), DOING)?;
                Ok(latent2rgb::preview(&self.latent2rgb, &latents.data, h, w))
            }
            PreviewDecoder::Taesd => {
                let taesd = self.taesd.as_ref().ok_or(Error::NoTaesd)?;
                let _turn = self.turns.take();
                Ok(self.compute.run(|| Picture::from_tensor(taesd.decode(shrunk(estimate.clone())), DOING))?)
            }
        }
    }
}

/// SDXL's factor from the encoder's latent to the sampler's, for which TAESD and the linear map were made.
const SDXL_SCALING_FACTOR: f64 = 0.13025;

impl Pipeline {
    /// The estimate as SDXL's sampler would have it. Playground 2.5 normalises each channel of the same VAE's latents.
    fn in_sdxls_scale(&self, estimate: Tensor<4>) -> Tensor<4> {
        match self.vae.statistics() {
            Some(_) => self.vae.unscale(estimate) * SDXL_SCALING_FACTOR,
            None => estimate,
        }
    }
}

/// Shrinks latents whose preview would exceed the longest side. Decoding a large picture in full, only to shrink it
/// afterwards, would cost a large part of a step.
fn shrunk(latents: Tensor<4>) -> Tensor<4> {
    let [_, _, h, w] = latents.dims();
    let (long, most) = (h.max(w), LONGEST_PX / FACTOR);
    if long <= most {
        return latents;
    }
    let size = [h, w].map(|side| (side * most / long).max(1));
    let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
    module::interpolate(latents, options.with_output_size(size))
}
