//! The steps that a branch shares with the take that it branches from.

use crate::media::Media;
use burn::tensor::{DType, Device, Tensor, TensorData};
use diffusion::{NoisePosition, Past, SamplerState};
use protocol::{Parameters, Sampler, Track};
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use trace::{Header, State, Writer};

/// Noise levels that differ by a smaller share are the same ones.
const SAME_SIGMA: f32 = 1e-6;

/// The first steps of a picture: their pictures, and the state after them.
#[derive(Clone, Debug)]
pub struct SharedSteps {
    /// Number of steps.
    pub step: u32,
    /// The header of the trace that they come from.
    pub header: Header,
    pictures: Vec<(u32, Vec<u8>)>,
    state: State,
}

/// Why a picture cannot branch from a trace. The messages are shown to users.
#[derive(Debug, thiserror::Error)]
pub enum NotShared {
    /// There is no trace.
    #[error("the trace of the take is not there")]
    NoTrace,
    /// It has no state after this step.
    #[error("the trace of the take has no state after step {step}")]
    NoState {
        /// The step.
        step: u32,
    },
    /// It cannot be read.
    #[error(transparent)]
    Trace(#[from] trace::Error),
    /// It is of another picture: another size, or other noise levels.
    #[error("the trace of the take has another {what}")]
    Other {
        /// What differs.
        what: &'static str,
    },
}

/// SHA-256 of a task's parameters and seed, as hexadecimal digits. The changes between its steps do not count: those of later
/// steps do not affect the steps that are done.
pub fn parameters_hash(parameters: &Parameters, seed: u64) -> String {
    let first = Parameters { track: Track::default(), ..parameters.clone() };
    let json = serde_json::to_vec(&(first, seed)).unwrap_or_default();
    Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl SharedSteps {
    /// Reads the first `step` steps of the trace of the take with this key.
    ///
    /// # Errors
    /// No trace, none with a state after this step, or one that cannot be read.
    pub fn read(media: &Media, key: &str, step: u32) -> Result<Self, NotShared> {
        let mut trace = media.open_trace(key).map_err(|error| match error {
            trace::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => NotShared::NoTrace,
            error => NotShared::Trace(error),
        })?;
        let state = trace.state(step)?.ok_or(NotShared::NoState { step })?;
        let steps: Vec<u32> = trace.pictures().map(|(at, _)| at).filter(|at| *at <= step).collect();
        let mut pictures = Vec::with_capacity(steps.len());
        for at in steps {
            pictures.extend(trace.picture(at)?.map(|png| (at, png)));
        }
        Ok(Self { step, header: trace.header().clone(), pictures, state })
    }

    /// The steps for a run of this sampler. Another one starts without what the first one kept of earlier steps.
    pub fn for_sampler(mut self, sampler: Sampler) -> Self {
        let sampler = sampler.to_string();
        if self.header.sampler != sampler {
            self.state.past.clear();
            self.header.sampler = sampler;
        }
        self
    }

    /// The picture of the last shared step, a PNG.
    pub fn last_picture(&self) -> Option<&[u8]> {
        self.pictures.last().map(|(_, png)| png.as_slice())
    }

    /// Appends the steps to a trace that has only its header.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write<W: Write>(&self, writer: &mut Writer<W>) -> io::Result<()> {
        self.pictures.iter().try_for_each(|(step, png)| writer.picture(*step, png))?;
        writer.state(self.step, &self.state)
    }

    /// The state on a device, for a run with this header.
    ///
    /// # Errors
    /// [`NotShared::Other`] if the run has other noise levels or latents.
    pub(crate) fn state_for(&self, run: &Header, device: &Device) -> Result<SamplerState, NotShared> {
        on_device(&self.header, (self.step, &self.state), run, device)
    }
}

/// A state after `step` steps of the run `own` on a device, for a run with the header `run`, which has the same noise levels
/// up to that step.
pub(super) fn on_device(
    own: &Header,
    (step, state): (u32, &State),
    run: &Header,
    device: &Device,
) -> Result<SamplerState, NotShared> {
    if own.shape != run.shape {
        return Err(NotShared::Other { what: "size" });
    }
    let done = step as usize;
    let same = |(a, b): (&f32, &f32)| (a - b).abs() <= SAME_SIGMA * b.abs();
    let are_long = own.sigmas.len() > done && run.sigmas.len() > done;
    if !are_long || !own.sigmas.iter().zip(&run.sigmas).take(done + 1).all(same) {
        return Err(NotShared::Other { what: "schedule of noise levels" });
    }
    // The sampler's latents are f32 on every device.
    let tensor =
        |values: &[f32]| Tensor::<4>::from_data(TensorData::new(values.to_vec(), own.shape), (device, DType::F32));
    let past = state.past.iter();
    Ok(SamplerState {
        step: done,
        x: tensor(&state.x),
        past: past.map(|past| Past { sigma: past.sigma, value: tensor(&past.values) }).collect(),
        noise: NoisePosition { words: state.noise_words, spare: state.noise_spare },
    })
}
