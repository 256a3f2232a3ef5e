//! The sampler's state between two steps, as numbers.

use crate::Error;

/// Most tensors that a sampler keeps of earlier steps.
const MOST_PAST: usize = 8;

/// Bytes before the tensors.
const FIXED_BYTES: usize = 8 + 1 + 8 + 1;

/// A tensor that a multistep sampler keeps from an earlier step.
#[derive(Clone, Debug, PartialEq)]
pub struct PastValue {
    /// The noise level of that step.
    pub sigma: f64,
    /// As many values as x has.
    pub values: Vec<f32>,
}

/// The sampler's state between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The noisy latents, row-major.
    pub x: Vec<f32>,
    /// What the sampler keeps of earlier steps, newest first.
    pub past: Vec<PastValue>,
    /// Words that were drawn from the stream of the steps' noise.
    pub noise_words: u64,
    /// The normal number that the noise source keeps for its next call.
    pub noise_spare: Option<f64>,
}

impl State {
    /// Bytes of a state's record at most, for latents of `values` numbers.
    pub(crate) fn most_bytes(values: usize) -> usize {
        FIXED_BYTES + 4 * values + MOST_PAST * (8 + 4 * values)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + 4 * self.x.len() * (1 + self.past.len()));
        bytes.extend(self.noise_words.to_le_bytes());
        bytes.push(self.noise_spare.is_some().into());
        bytes.extend(self.noise_spare.unwrap_or_default().to_le_bytes());
        bytes.push(u8::try_from(self.past.len()).unwrap_or(u8::MAX));
        bytes.extend(self.x.iter().flat_map(|value| value.to_le_bytes()));
        for past in &self.past {
            bytes.extend(past.sigma.to_le_bytes());
            bytes.extend(past.values.iter().flat_map(|value| value.to_le_bytes()));
        }
        bytes
    }

    /// `step` is for the error's message, `values` the numbers in one latent.
    pub(crate) fn from_bytes(bytes: &[u8], step: u32, values: usize) -> Result<Self, Error> {
        let damaged = |what| Error::Damaged { step, what };
        let mut rest = Rest(bytes);
        let short = || damaged("it is too short");
        let noise_words = u64::from_le_bytes(rest.take().ok_or_else(short)?);
        let [has_spare] = rest.take().ok_or_else(short)?;
        let spare = f64::from_le_bytes(rest.take().ok_or_else(short)?);
        let [count] = rest.take().ok_or_else(short)?;
        if usize::from(count) > MOST_PAST {
            return Err(damaged("it has too many earlier steps"));
        }
        let x = rest.floats(values).ok_or_else(short)?;
        let mut past = Vec::with_capacity(count.into());
        for _ in 0..count {
            let sigma = f64::from_le_bytes(rest.take().ok_or_else(short)?);
            if !(sigma.is_finite() && sigma > 0.0) {
                return Err(damaged("a noise level is not above 0"));
            }
            past.push(PastValue { sigma, values: rest.floats(values).ok_or_else(short)? });
        }
        if !rest.0.is_empty() {
            return Err(damaged("it is too long"));
        }
        let noise_spare = (has_spare != 0).then_some(spare);
        Ok(Self { x, past, noise_words, noise_spare })
    }
}

/// The bytes that are not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn floats(&mut self, count: usize) -> Option<Vec<f32>> {
        let (mine, rest) = self.0.split_at_checked(count.checked_mul(4)?)?;
        self.0 = rest;
        let (chunks, _) = mine.as_chunks();
        Some(chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}
