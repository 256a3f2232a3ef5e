//! Traces: how pictures formed. A writer thread beside the sampler reads each step's estimate and state from the device and
//! appends them to the take's file. The sampler never waits for it.

mod budget;
mod saved;
mod shared_steps;
mod stored;

pub(crate) use budget::remove_oldest;
pub use budget::{ReadTraceLimits, TraceLimits};
pub(crate) use saved::Saved;
pub use shared_steps::{NotShared, SharedSteps, parameters_hash};
pub(crate) use stored::{state_bytes, store_object};

use crate::{media::Media, slot::Slot, step_queue::StepQueue};
use burn::tensor::{Device, Tensor};
use diffusion::{SamplerState, Sigmas, Step, replanned};
use protocol::{Task, TraceLevel};
use sdxl::{HostTensor, Params, Pipeline, PreviewDecoder};
use std::{
    fs::File,
    io,
    time::{Duration, Instant},
};
use store::TraceKind;
use trace::{Header, PastValue, Precision, State, Writer};

/// Most bytes of tensors that wait for the writer. A disk that is slower than the sampler leaves gaps in the trace instead
/// of filling the memory.
const MOST_WAITING_BYTES: usize = 256 << 20;

/// Least time between two states that are saved for a server that is killed: the most work that it loses. A state of 1024 x 1024
/// pixels takes at most 1 MB.
pub(crate) const SAVE_INTERVAL: Duration = Duration::from_millis(500);

/// As [`SAVE_INTERVAL`], for states that are objects: the time of so many leases, 32 s. Each is a request that is paid for, and 1 MB
/// over the network. A worker that is always busy puts 2,700 a day at most; a picture that takes less time puts none.
pub(crate) const SAVE_LEASES: u32 = 4;

/// A step that is not written yet: handles on its tensors.
struct Pending {
    /// 1 for the first.
    step: u32,
    estimate: Tensor<4>,
    /// The state before the step, if it is written.
    state: Option<SamplerState>,
    /// Whether the state is saved for a server that is killed.
    is_saved: bool,
    bytes: usize,
}

/// When a state was last taken to be saved.
struct LastSaved(Instant);

impl Default for LastSaved {
    fn default() -> Self {
        Self(Instant::now())
    }
}

/// What a run goes on from.
#[derive(Clone, Debug)]
pub(crate) enum Begun {
    /// The first steps of another take.
    Shared(SharedSteps),
    /// The saved state of the take's own run.
    Saved(Saved),
}

impl Begun {
    /// Number of steps that are done.
    pub(crate) fn step(&self) -> u32 {
        match self {
            Self::Shared(shared) => shared.step,
            Self::Saved(saved) => saved.step,
        }
    }

    /// The state on a device, for a run with this header.
    ///
    /// # Errors
    /// A run with another size or other noise levels.
    pub(crate) fn state_for(&self, run: &Header, device: &Device) -> Result<SamplerState, NotShared> {
        match self {
            Self::Shared(shared) => shared.state_for(run, device),
            Self::Saved(saved) => saved.state_for(run, device),
        }
    }
}

/// The steps that wait for the writer of the trace.
pub(crate) struct TraceQueue {
    waiting: StepQueue<Pending, LastSaved>,
    limits: TraceLimits,
    save_interval: Duration,
}

impl TraceQueue {
    /// `save_interval`: least time between two states that are saved.
    pub(crate) fn new(limits: TraceLimits, save_interval: Duration) -> Self {
        Self { waiting: StepQueue::default(), limits, save_interval }
    }

    /// Whether traces are kept.
    fn is_on(&self) -> bool {
        self.limits.level != TraceLevel::Off
    }

    /// Adds a step. Keeps handles on its tensors and reads nothing from the device.
    pub(crate) fn push(&self, step: &Step<'_>) {
        if !self.is_on() {
            return;
        }
        self.waiting.update(|waiting| {
            let is_saved = step.index > 0 && waiting.shared.0.elapsed() >= self.save_interval;
            let state = (is_saved || self.limits.level == TraceLevel::All).then(|| step.state());
            let tensors = 1 + state.as_ref().map_or(0, |state| 1 + state.past.len());
            let bytes = tensors * step.denoised.dims().iter().product::<usize>() * size_of::<f32>();
            let number = u32::try_from(step.index + 1).unwrap_or(u32::MAX);
            let before: usize = waiting.steps.iter().map(|pending| pending.bytes).sum();
            if before + bytes <= MOST_WAITING_BYTES {
                if is_saved {
                    waiting.shared = LastSaved::default();
                }
                let estimate = step.denoised.clone();
                waiting.steps.push_back(Pending { step: number, estimate, state, is_saved, bytes });
            }
        });
    }

    /// Ends the queue: no further step follows.
    pub(crate) fn end(&self) {
        self.waiting.end();
    }

    /// Writes the trace until the queue ends; nothing if none is kept. A trace that cannot be written does not fail the
    /// generation: what was written stays.
    pub(crate) fn write(
        &self,
        pipeline: &Pipeline,
        media: &Media,
        slot: &Slot,
        header: &Header,
        begun: Option<&Begun>,
    ) {
        if !self.is_on() {
            return;
        }
        let mut written = self.start(media, slot, header, begun);
        while let Some(pending) = self.waiting.next() {
            let pending = match read(media, slot, header, pending) {
                Ok(pending) => pending,
                Err(error) => {
                    written = written.and(Err(error));
                    continue;
                }
            };
            let Ok(Some(writer)) = &mut written else { continue };
            let appended = self.append(writer, pipeline, slot, &pending, begun);
            if let Err(error) = appended {
                written = Err(error);
            }
        }
        if let Err(why) = written {
            tracing::warn!(task.id = %slot.task_id, why, "the trace of a picture is incomplete; the generation went on");
        }
    }

    /// None when the attempt is cancelled.
    fn start(
        &self,
        media: &Media,
        slot: &Slot,
        header: &Header,
        begun: Option<&Begun>,
    ) -> Result<Option<Writer<File>>, String> {
        // Looked up before the slot is held.
        let earlier = matches!(begun, Some(Begun::Saved(_))).then(|| media.open_trace(&slot.key).ok()).flatten();
        let begin = |file: File| -> io::Result<Writer<File>> {
            let mut writer = Writer::start(file, header)?;
            let with_states = self.limits.level == TraceLevel::All;
            match begun {
                Some(Begun::Shared(shared)) => shared.write(&mut writer)?,
                Some(Begun::Saved(saved)) => saved.write(earlier, with_states, &mut writer)?,
                None => {}
            }
            Ok(writer)
        };
        let started = slot.if_open(|| media.start_trace(&slot.key, begin));
        started.transpose().map_err(|error: io::Error| error.to_string())
    }

    /// Appends what fits into the take's limit.
    fn append(
        &self,
        writer: &mut Writer<File>,
        pipeline: &Pipeline,
        slot: &Slot,
        pending: &Read,
        begun: Option<&Begun>,
    ) -> Result<(), String> {
        let fits = |writer: &Writer<File>, bytes: u64| writer.bytes() + bytes <= self.limits.take_bytes;
        let finished = pending.step - 1;
        // The trace has the state that it began with already.
        let is_new = begun.is_none_or(|begun| begun.step() != finished) && self.limits.level == TraceLevel::All;
        if let Some(state) = pending.state.as_ref().filter(|_| is_new)
            && fits(writer, Writer::<File>::state_bytes(state))
        {
            written(slot.if_open(|| writer.state(finished, state)))?;
        }
        let picture = pipeline.preview(PreviewDecoder::Latent2Rgb, &pending.estimate).map_err(|e| e.to_string())?;
        let rgb = picture.to_rgb8();
        let png = png_info::encode_quickly(rgb.as_raw(), rgb.width(), rgb.height()).map_err(|e| e.to_string())?;
        if fits(writer, png.len() as u64) {
            written(slot.if_open(|| writer.picture(pending.step, &png)))?;
        }
        Ok(())
    }
}

/// A step that is not written yet, with its state as numbers.
struct Read {
    step: u32,
    estimate: Tensor<4>,
    state: Option<State>,
}

/// Reads a step's state from the device, and saves it if it is to be saved. A state that cannot be saved does not end the
/// trace: it is logged, and the next one is tried.
fn read(media: &Media, slot: &Slot, header: &Header, pending: Pending) -> Result<Read, String> {
    let state = pending.state.as_ref().map(read_state).transpose()?;
    if let Some(state) = state.as_ref().filter(|_| pending.is_saved)
        && let Err(why) = save(media, slot, header, (pending.step - 1, state))
    {
        tracing::warn!(task.id = %slot.task_id, why, "the state of a generation could not be saved; if the server is killed now, earlier steps run again");
    }
    Ok(Read { step: pending.step, estimate: pending.estimate, state })
}

/// Saves a state for a server that is killed.
fn save(media: &Media, slot: &Slot, header: &Header, state: (u32, &State)) -> Result<(), String> {
    if media.pictures().is_none() {
        return written(slot.if_open(|| media.write_state(&slot.key, header, state, false)));
    }
    let bytes = state_bytes(header, state.0, state.1).map_err(|error| error.to_string())?;
    store_object(media, slot, TraceKind::State, state.0, bytes).map(drop).map_err(|error| error.to_string())
}

/// A closed slot is not an error.
fn written(result: Option<io::Result<()>>) -> Result<(), String> {
    result.unwrap_or(Ok(())).map_err(|error| error.to_string())
}

/// What the trace of a task's picture is of.
pub(crate) fn header(task: &Task, params: &Params, pipeline: &Pipeline) -> Result<Header, sdxl::Error> {
    let (steps, strength) = (params.steps as usize, task.parameters.strength.unwrap_or(1.0));
    let planned = params.scheduler.truncated(pipeline.table(), steps, strength)?;
    let finishes = task.parameters.track.finishes();
    let sigmas = finishes.fold(planned, |sigmas, (done, rest)| replanned(&sigmas, done as usize, rest as usize));
    Ok(Header {
        run: rand::random(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        parameters: parameters_hash(&task.parameters, task.seed),
        sampler: params.sampler.to_string(),
        sigmas,
        shape: params.latent_shape(pipeline.unet().config().in_channels),
        precision: Precision::F32,
    })
}

/// Reads a state from the device.
///
/// # Errors
/// The device's.
pub(crate) fn read_state(state: &SamplerState) -> Result<State, String> {
    let read = |tensor: &Tensor<4>| {
        let host = HostTensor::read(tensor.clone(), "reading the sampler's state").map_err(|e| e.to_string())?;
        Ok::<_, String>(host.data)
    };
    let past = state.past.iter().map(|past| Ok(PastValue { sigma: past.sigma, values: read(&past.value)? }));
    Ok(State {
        x: read(&state.x)?,
        past: past.collect::<Result<_, String>>()?,
        noise_words: state.noise.words,
        noise_spare: state.noise.spare,
    })
}
