//! The state that is saved of a take's own run, from which its next attempt goes on.

use super::{NotShared, shared_steps::on_device};
use crate::media::Media;
use burn::tensor::Device;
use diffusion::SamplerState;
use std::{
    fs::File,
    io::{self, Write},
};
use trace::{Header, State, Trace, Writer};

/// The newest saved state of a take's own run: that of its file, or the last one in its trace.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    /// Number of finished steps.
    pub(crate) step: u32,
    header: Header,
    state: State,
}

impl Saved {
    /// The newest state of the take with this key that is of a run with these parameters ([`Header::parameters`]); none
    /// without one. Files that are missing, damaged or of other parameters count as none: the run then starts again.
    pub(crate) fn newest(media: &Media, key: &str, parameters: &str) -> Option<Self> {
        let of_file = media.open_state(key).ok().and_then(|file| Self::last(file, parameters));
        let of_trace = media.open_trace(key).ok().and_then(|trace| Self::last(trace, parameters));
        of_file.into_iter().chain(of_trace).max_by_key(|saved| saved.step)
    }

    fn last(mut of: Trace<File>, parameters: &str) -> Option<Self> {
        if of.header().parameters != parameters {
            return None;
        }
        // A damaged one is skipped.
        let steps: Vec<u32> = of.states().map(|(step, _)| step).filter(|step| *step > 0).collect();
        let (step, state) = steps.iter().rev().find_map(|step| Some((*step, of.state(*step).ok()??)))?;
        Some(Self { step, header: of.header().clone(), state })
    }

    /// The state on a device, for a run with this header.
    ///
    /// # Errors
    /// As [`super::SharedSteps::state_for`].
    pub(crate) fn state_for(&self, run: &Header, device: &Device) -> Result<SamplerState, NotShared> {
        on_device(&self.header, (self.step, &self.state), run, device)
    }

    /// Copies the steps that are done from the take's earlier trace to the new one, which has only its header. `with_states`:
    /// the new one keeps states, so it gets this one too.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn write<W: Write>(
        &self,
        media: &Media,
        key: &str,
        with_states: bool,
        writer: &mut Writer<W>,
    ) -> io::Result<()> {
        let mut has_own = false;
        if let Ok(mut earlier) = media.open_trace(key) {
            for step in 0..=self.step {
                if let Some(png) = earlier.picture(step).ok().flatten() {
                    writer.picture(step, &png)?;
                }
                if let Some(state) = earlier.state(step).ok().flatten() {
                    writer.state(step, &state)?;
                    has_own = step == self.step;
                }
            }
        }
        if with_states && !has_own { writer.state(self.step, &self.state) } else { Ok(()) }
    }
}
