//! The state that is saved of a take's own run, from which its next attempt goes on.

use super::shared_steps::{NotShared, on_device};
use crate::media::{Media, is_out_of_reach};
use burn::tensor::Device;
use diffusion::SamplerState;
use std::io::{self, Read, Seek, Write};
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
    /// without one. What is missing, damaged or of other parameters counts as none: the run then starts again. Blocks.
    ///
    /// # Errors
    /// An object that may be there and cannot be read now.
    pub(crate) fn newest(media: &Media, key: &str, parameters: &str) -> Result<Option<Self>, trace::Error> {
        let state = within_reach(media.open_state(key))?.and_then(|state| Self::last(state, parameters));
        let of_trace = within_reach(media.open_trace(key))?.and_then(|trace| Self::last(trace, parameters));
        Ok(state.into_iter().chain(of_trace).max_by_key(|saved| saved.step))
    }

    fn last<R: Read + Seek>(mut of: Trace<R>, parameters: &str) -> Option<Self> {
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
    pub(crate) fn write<R: Read + Seek, W: Write>(
        &self,
        earlier: Option<Trace<R>>,
        with_states: bool,
        writer: &mut Writer<W>,
    ) -> io::Result<()> {
        let mut has_own = false;
        if let Some(mut earlier) = earlier {
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

/// None for one that is missing or damaged.
fn within_reach<T>(opened: Result<T, trace::Error>) -> Result<Option<T>, trace::Error> {
    match opened {
        Err(error) if is_out_of_reach(&error) => Err(error),
        opened => Ok(opened.ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::new_key;
    use std::fs::{self, File};
    use trace::Precision;

    fn header(parameters: &str) -> Header {
        Header {
            run: 1,
            version: "0".into(),
            parameters: parameters.into(),
            sampler: "euler".into(),
            sigmas: vec![4.0, 3.0, 2.0, 1.0, 0.0],
            shape: [1, 1, 1, 2],
            precision: Precision::F32,
        }
    }

    fn state(step: u32) -> State {
        State { x: vec![step as f32, 0.5], past: Vec::new(), noise_words: step.into(), noise_spare: None }
    }

    /// A trace with pictures and states up to a step.
    fn write_trace(media: &Media, key: &str, last: u32) {
        let begin = |file: File| {
            let mut writer = Writer::start(file, &header("mine"))?;
            for step in 1..=last {
                writer.picture(step, &[u8::try_from(step).expect("small")])?;
                writer.state(step, &state(step))?;
            }
            Ok(writer)
        };
        media.start_trace(key, begin).expect("written");
    }

    #[test]
    fn the_newest_state_of_the_same_run_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let media = Media::open(&folder.path().join("media")).expect("opens");
        let key = new_key();
        let newest = || {
            let saved = Saved::newest(&media, &key, "mine").expect("a folder is within reach");
            saved.map(|saved| (saved.step, saved.state))
        };
        assert_eq!(newest(), None);
        media.write_state(&key, &header("mine"), (2, &state(2)), true).expect("written");
        assert_eq!(newest(), Some((2, state(2))));
        write_trace(&media, &key, 3);
        assert_eq!(newest(), Some((3, state(3))));
        media.write_state(&key, &header("other"), (4, &state(4)), false).expect("written");
        assert_eq!(newest(), Some((3, state(3))), "the file is of another run");
        // Cut and damaged files count as none, and an earlier state before a damaged one is used.
        let trace = media.trace_path(&key).expect("a path");
        let mut bytes = fs::read(&trace).expect("read");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&trace, &bytes).expect("written");
        assert_eq!(newest(), Some((2, state(2))));
        fs::write(&trace, &bytes[..20]).expect("written");
        fs::write(media.state_path(&key).expect("a path"), b"EMBTRACE").expect("written");
        assert_eq!(newest(), None);
        media.remove(&key).expect("removed");
        let listing = media.list_traces().expect("listed");
        assert!(listing.states.is_empty() && listing.traces.is_empty() && listing.unfinished.is_empty());
    }

    #[test]
    fn a_run_that_goes_on_keeps_the_pictures_of_its_first_steps() {
        let folder = tempfile::tempdir().expect("a folder");
        let media = Media::open(&folder.path().join("media")).expect("opens");
        let key = new_key();
        write_trace(&media, &key, 3);
        media.write_state(&key, &header("mine"), (2, &state(2)), false).expect("written");
        let file = media.open_state(&key).expect("there");
        let saved = Saved::last(file, "mine").expect("a state");
        let earlier = media.open_trace(&key).ok();
        media
            .start_trace(&key, |file| {
                let mut writer = Writer::start(file, &header("mine"))?;
                saved.write(earlier, true, &mut writer)?;
                writer.picture(3, b"again")?;
                Ok(writer)
            })
            .expect("written");
        let mut now = media.open_trace(&key).expect("a trace");
        assert_eq!(now.pictures().map(|(step, _)| step).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(now.states().map(|(step, _)| step).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(now.picture(3).expect("whole").as_deref(), Some(&b"again"[..]));
    }
}
