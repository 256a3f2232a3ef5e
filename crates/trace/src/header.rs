//! What a trace is of.

use crate::Error;
use serde::{Deserialize, Serialize};

/// Most values of a latent: 16 channels at 2048 x 2048 pixels.
const MOST_VALUES: usize = 16 * 256 * 256;

/// The number type of the states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits.
    F32,
}

/// What a trace is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// A random number of this file, which distinguishes it from an earlier one of the same take.
    pub run: u64,
    /// The program's version.
    pub version: String,
    /// SHA-256 of the parameters and the seed, 64 hexadecimal digits.
    pub parameters: String,
    /// The sampler's name. Its states cannot be continued with what another sampler keeps of earlier steps.
    pub sampler: String,
    /// The noise levels of the run: one more than it has steps.
    pub sigmas: Vec<f32>,
    /// The shape of the latents: `[batch, channels, height, width]`.
    pub shape: [usize; 4],
    /// The number type of the states.
    pub precision: Precision,
}

impl Header {
    /// Numbers in one latent.
    pub fn values(&self) -> usize {
        self.shape.iter().product()
    }

    /// Steps of the run.
    pub fn steps(&self) -> u32 {
        u32::try_from(self.sigmas.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    pub(crate) fn from_json(json: &[u8]) -> Result<Self, Error> {
        let header: Self = serde_json::from_slice(json).map_err(|error| Error::Header(error.to_string()))?;
        let values = header.shape.iter().try_fold(1_usize, |product, side| product.checked_mul(*side));
        match values {
            Some(1..=MOST_VALUES) => Ok(header),
            _ => Err(Error::Header(format!("latents of shape {:?} are not possible", header.shape))),
        }
    }
}
