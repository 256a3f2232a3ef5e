//! Pictures of an estimate, while sampling goes on.

use super::Pipeline;
use crate::{Error, FACTOR, HostTensor, Picture, latent2rgb};
use burn::tensor::{
    Tensor, module,
    ops::{InterpolateMode, InterpolateOptions},
};

/// How an estimate becomes a preview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PreviewMethod {
    /// By a matrix, at the latent's size: at once, coarse.
    Latent2Rgb,
    /// By a small decoder, at the picture's size but 512 pixels at most on the long side: slower, sharper.
    Taesd,
}

/// The long side of a TAESD preview, pixels.
const LONGEST_PX: usize = 512;

impl Pipeline {
    /// Whether the model has a TAESD.
    pub fn has_taesd(&self) -> bool {
        self.taesd.is_some()
    }

    /// A picture of `estimate` (a step's `denoised`), the latent as the sampler has it. Waits for the device.
    ///
    /// # Shapes
    /// `estimate`: `[1, 4, h, w]`; of a larger batch the first
    ///
    /// # Errors
    /// [`Error::NoTaesd`], or a device that failed.
    pub fn preview(&self, method: PreviewMethod, estimate: &Tensor<4>) -> Result<Picture, Error> {
        const DOING: &str = "decoding a preview";
        match method {
            PreviewMethod::Latent2Rgb => {
                let [_, _, h, w] = estimate.dims();
                let latents = HostTensor::read(estimate.clone(), DOING)?;
                Ok(latent2rgb::preview(&self.latent2rgb, &latents.data, h, w))
            }
            PreviewMethod::Taesd => {
                let taesd = self.taesd.as_ref().ok_or(Error::NoTaesd)?;
                let _turn = self.turns.take();
                Ok(self.compute.run(|| Picture::from_tensor(taesd.decode(shrunk(estimate.clone())), DOING))?)
            }
        }
    }
}

/// The latent, made smaller where its preview would pass the longest side: decoding all of a large picture
/// to throw most of it away would cost a large part of a step.
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
