//! Traces: how pictures formed. A writer thread beside the sampler reads each step's estimate and state from the device and
//! appends them to the take's file. The sampler never waits for it.

mod budget;
mod shared_steps;

pub use budget::TraceLimits;
pub(crate) use budget::remove_oldest;
pub use shared_steps::{NotShared, SharedSteps, parameters_hash};

use crate::{media::Media, slot::Slot, step_queue::StepQueue};
use burn::tensor::Tensor;
use diffusion::{SamplerState, Sigmas, Step};
use protocol::{Task, TraceLevel};
use sdxl::{HostTensor, Params, Pipeline, PreviewDecoder};
use std::{fs::File, io};
use trace::{Header, PastValue, Precision, State, Writer};

/// Most bytes of tensors that wait for the writer. A disk that is slower than the sampler leaves gaps in the trace instead
/// of filling the memory.
const MOST_WAITING_BYTES: usize = 256 << 20;

/// A step that is not written yet: handles on its tensors.
struct Pending {
    /// 1 for the first.
    step: u32,
    estimate: Tensor<4>,
    state: Option<SamplerState>,
    bytes: usize,
}

/// The steps that wait for the writer of the trace.
pub(crate) struct TraceQueue {
    waiting: StepQueue<Pending>,
    limits: TraceLimits,
}

impl TraceQueue {
    pub(crate) fn new(limits: TraceLimits) -> Self {
        Self { waiting: StepQueue::default(), limits }
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
        let state = (self.limits.level == TraceLevel::All).then(|| step.state());
        let tensors = 1 + state.as_ref().map_or(0, |state| 1 + state.past.len());
        let bytes = tensors * step.denoised.dims().iter().product::<usize>() * size_of::<f32>();
        let number = u32::try_from(step.index + 1).unwrap_or(u32::MAX);
        self.waiting.update(|waiting| {
            let before: usize = waiting.steps.iter().map(|pending| pending.bytes).sum();
            if before + bytes <= MOST_WAITING_BYTES {
                waiting.steps.push_back(Pending { step: number, estimate: step.denoised.clone(), state, bytes });
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
        shared: Option<&SharedSteps>,
    ) {
        if !self.is_on() {
            return;
        }
        let mut written = self.start(media, slot, header, shared);
        while let Some(pending) = self.waiting.next() {
            let Ok(Some(writer)) = &mut written else { continue };
            let appended = self.append(writer, pipeline, slot, &pending, shared);
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
        shared: Option<&SharedSteps>,
    ) -> Result<Option<Writer<File>>, String> {
        let begin = |file: File| -> io::Result<Writer<File>> {
            let mut writer = Writer::start(file, header)?;
            shared.map_or(Ok(()), |shared| shared.write(&mut writer))?;
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
        pending: &Pending,
        shared: Option<&SharedSteps>,
    ) -> Result<(), String> {
        let fits = |writer: &Writer<File>, bytes: u64| writer.bytes() + bytes <= self.limits.take_bytes;
        let finished = pending.step - 1;
        // A branch has the state that it began with already.
        let is_shared = shared.is_some_and(|shared| shared.step == finished);
        if let Some(state) = pending.state.as_ref().filter(|_| !is_shared) {
            let state = read_state(state)?;
            if fits(writer, Writer::<File>::state_bytes(&state)) {
                written(slot.if_open(|| writer.state(finished, &state)))?;
            }
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

/// A closed slot is not an error.
fn written(result: Option<io::Result<()>>) -> Result<(), String> {
    result.unwrap_or(Ok(())).map_err(|error| error.to_string())
}

/// What the trace of a task's picture is of.
pub(crate) fn header(task: &Task, params: &Params, pipeline: &Pipeline) -> Result<Header, sdxl::Error> {
    let (steps, strength) = (params.steps as usize, task.parameters.strength.unwrap_or(1.0));
    Ok(Header {
        run: rand::random(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        parameters: parameters_hash(&task.parameters, task.seed),
        sampler: params.sampler.to_string(),
        sigmas: params.scheduler.truncated(pipeline.table(), steps, strength)?,
        shape: params.latent_shape(pipeline.unet().config().in_channels),
        precision: Precision::F32,
    })
}

/// Reads a state from the device.
fn read_state(state: &SamplerState) -> Result<State, String> {
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
