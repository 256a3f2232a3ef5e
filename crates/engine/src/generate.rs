//! One attempt at a task: parameters in, picture out, watched on the way.

use crate::{
    fault::PendingFault,
    media::Media,
    models::{Models, NoPipeline},
    passing,
    preview::{DoneStep, PreviewQueue, PreviewTimes},
    slot::{Eta, Slot},
};
use diffusion::{Betas, ModelSigmas, Observer, Sampler, Schedule, Step, Stop};
use protocol::{Parameters, Task};
use sdxl::{Generated, InitImage, Output, Params, Picture, Pipeline, PromptSyntax};
use std::{
    collections::BTreeMap,
    io,
    ops::ControlFlow,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};
use store::StoreError;

/// Why an attempt made no picture. The words are for people.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Model(#[from] NoPipeline),
    #[error("{0}")]
    Parameters(String),
    #[error("the picture to start from is not there any more")]
    NoInitImage,
    #[error("the picture to start from cannot be read: {0}")]
    InitImage(io::Error),
    #[error("the picture to start from cannot be looked up: {0}")]
    Database(StoreError),
    #[error("no thread for previews could be started: {0}")]
    Thread(io::Error),
    #[error("the generation failed: {0}")]
    Sampling(#[from] sdxl::Error),
    #[error("the picture could not be encoded: {0}")]
    Png(#[from] png_info::Error),
}

impl Fault {
    /// What it waits for, where it may pass by itself; none once a step was done.
    pub(crate) fn waits_for(&self) -> Option<&'static str> {
        match self {
            Self::Model(error) => error.waits_for,
            Self::InitImage(error) | Self::Thread(error) => passing::of_io(error),
            Self::Database(error) => error.waits_for(),
            Self::Parameters(_) | Self::NoInitImage | Self::Sampling(_) | Self::Png(_) => None,
        }
    }

    /// Whether the device may have been lost: the model is loaded anew for the next task.
    pub(crate) fn is_of_device(&self) -> bool {
        matches!(self, Self::Sampling(sdxl::Error::Device(_)))
    }
}

/// What an attempt came to.
pub(crate) enum Made {
    Picture(Box<Finished>),
    Stopped,
}

/// A finished picture and what it cost.
pub(crate) struct Finished {
    pub(crate) png: Vec<u8>,
    /// The step that it was finished at.
    pub(crate) step: u32,
    pub(crate) costs: Costs,
}

/// Where an attempt's time went; for metrics and the next one's estimate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// Each sampling step, seconds.
    pub steps_s: Vec<f64>,
    /// Latents to picture, seconds.
    pub decode_s: f64,
    /// Picture to PNG, seconds.
    pub encode_s: f64,
    /// All previews.
    pub previews: PreviewTimes,
}

/// What a picture is made with, read and in memory.
pub(crate) struct Ready {
    params: Params,
    pipeline: Arc<Pipeline>,
}

/// What an attempt works with.
pub(crate) struct Workbench<'a> {
    pub(crate) models: &'a Models,
    pub(crate) media: &'a Media,
    /// What decoding a picture of this size took last time.
    pub(crate) decode: Option<Duration>,
    /// For tests of the recovery.
    pub(crate) fault: &'a PendingFault,
}

impl Workbench<'_> {
    /// Reads what the picture is made with: the picture to start from, the model.
    /// `init_key` is the key of the picture to start from.
    pub(crate) fn prepare(&self, task: &Task, init_key: Option<&str>, slot: &Slot) -> Result<Ready, Fault> {
        let mut params = params(&task.parameters, task.seed)?;
        params.init_image = self.init_image(init_key, task.parameters.strength)?;
        let pipeline = self.models.pipeline_for(&task.parameters, |why| {
            tracing::warn!(task.id = %task.id, why, "a picture may not fit into memory");
            slot.warn(why);
        })?;
        Ok(Ready { params, pipeline })
    }

    /// Makes the picture. `tell` is called for each step once its preview is at its address.
    pub(crate) fn generate(
        &self,
        Ready { params, pipeline }: &Ready,
        task: &Task,
        slot: &Slot,
        tell: &(dyn Fn(DoneStep) + Sync),
    ) -> Result<Made, Fault> {
        if slot.is_stopped() {
            return Ok(Made::Stopped);
        }
        let least = Duration::from_millis(task.parameters.preview_interval_ms.into());
        let queue = PreviewQueue::new(task.parameters.preview_method, least);
        let (generated, previews) = thread::scope(|scope| {
            // Where the system has no thread to give, `scope.spawn` panics; this says so.
            let writer = thread::Builder::new().name("previews".to_owned());
            let writer =
                writer.spawn_scoped(scope, || queue.write(pipeline, self.media, slot, tell)).map_err(Fault::Thread)?;
            // Ends the writer also when the sampler panics: the scope waits for it.
            let generated = {
                let _ends = EndOnDrop(&queue);
                self.sample(pipeline, params, slot, &queue)
            };
            Ok::<_, Fault>((generated, writer.join().unwrap_or_default()))
        })?;
        match generated? {
            Generated::Picture(output) if !slot.is_stopped() => {
                Ok(Made::Picture(Box::new(finished(task, *output, previews)?)))
            }
            _ => Ok(Made::Stopped),
        }
    }

    fn sample(
        &self,
        pipeline: &Pipeline,
        params: &Params,
        slot: &Slot,
        queue: &PreviewQueue,
    ) -> Result<Generated, sdxl::Error> {
        let conditioning = pipeline.encode(params)?;
        let eta = Eta::new(self.decode, Instant::now());
        pipeline.generate_from(params, conditioning, &mut Watch { slot, queue, eta, fault: self.fault })
    }

    fn init_image(&self, key: Option<&str>, strength: Option<f64>) -> Result<Option<InitImage>, Fault> {
        let (Some(key), Some(strength)) = (key, strength) else { return Ok(None) };
        let bytes = self.media.read(key).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Fault::NoInitImage,
            _ => Fault::InitImage(error),
        })?;
        let image = image::load_from_memory(&bytes).map_err(|_| Fault::NoInitImage)?;
        Ok(Some(InitImage { picture: Picture::from_rgb8(&image.to_rgb8()), strength }))
    }
}

struct EndOnDrop<'a>(&'a PreviewQueue);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn finished(task: &Task, output: Output, previews: PreviewTimes) -> Result<Finished, Fault> {
    let step = match output.finish {
        sdxl::Finish::Complete => output.sigmas.len().saturating_sub(1),
        sdxl::Finish::Kept { step } => step,
    };
    let started = Instant::now();
    let rgb = output.picture.to_rgb8();
    let png = png_info::encode(rgb.as_raw(), rgb.width(), rgb.height(), Some(&record(task)))?;
    let costs = Costs {
        steps_s: output.timings.steps_s,
        decode_s: output.timings.decode_s,
        encode_s: started.elapsed().as_secs_f64(),
        previews,
    };
    Ok(Finished { png, step: u32::try_from(step).unwrap_or(u32::MAX), costs })
}

/// What the picture's file says of itself.
fn record(task: &Task) -> png_info::Parameters {
    let of = task.parameters.clone();
    png_info::Parameters {
        prompt: of.prompt,
        negative_prompt: of.negative_prompt,
        width: of.width,
        height: of.height,
        steps: of.steps,
        cfg_scale: of.cfg_scale,
        sampler: of.sampler,
        scheduler: of.scheduler,
        seed: task.seed,
        model: of.model,
        strength: of.strength,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// A task's parameters as the model takes them.
pub(crate) fn params(of: &Parameters, seed: u64) -> Result<Params, Fault> {
    let unknown = |error: diffusion::UnknownName| Fault::Parameters(error.to_string());
    Ok(Params {
        prompt: of.prompt.clone(),
        negative_prompt: of.negative_prompt.clone(),
        prompt_syntax: PromptSyntax::default(),
        width: of.width,
        height: of.height,
        steps: of.steps as usize,
        cfg_scale: of.cfg_scale,
        sampler: of.sampler.parse::<Sampler>().map_err(unknown)?,
        schedule: of.scheduler.parse::<Schedule>().map_err(unknown)?,
        seed,
        ..Params::default()
    })
}

/// Sampling steps of a run: not always `steps`. A start picture shortens the schedules `leading`, `linspace`
/// and `trailing`.
pub fn total_steps(of: &Parameters) -> u32 {
    // Lists and events ask this of every task: of a thousand in the queue, most are alike, and the schedule `beta` solves
    // an equation for each step.
    static TABLE: LazyLock<Option<ModelSigmas>> = LazyLock::new(|| ModelSigmas::new(Betas::default()).ok());
    static KNOWN: Mutex<BTreeMap<(&str, u32, u64), u32>> = Mutex::new(BTreeMap::new());
    const MOST_KNOWN: usize = 1024;
    let Ok(schedule) = of.scheduler.parse::<Schedule>() else { return of.steps };
    let strength = of.strength.unwrap_or(1.0);
    let key = (schedule.name(), of.steps, strength.to_bits());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MOST_KNOWN {
        known.clear();
    }
    let count = || {
        let sigmas = schedule.truncated(TABLE.as_ref()?, of.steps as usize, strength).ok()?;
        u32::try_from(sigmas.len().saturating_sub(1)).ok()
    };
    *known.entry(key).or_insert_with(|| count().unwrap_or(of.steps))
}

/// What watches the sampler: hands each step on and reads nothing from the device.
struct Watch<'a> {
    slot: &'a Slot,
    queue: &'a PreviewQueue,
    eta: Eta,
    fault: &'a PendingFault,
}

impl Observer for Watch<'_> {
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<Stop> {
        if self.slot.is_stopped() {
            return ControlFlow::Break(Stop::Cancel);
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (index, total) = (count(step.index + 1), count(step.total));
        self.fault.reach(index);
        let (took, eta_ms) = self.eta.step_done(index, total, Instant::now());
        self.queue.push(DoneStep { step: index, total, took, eta_ms }, step.denoised);
        match self.slot.is_kept() {
            true => ControlFlow::Break(Stop::Keep),
            false => ControlFlow::Continue(()),
        }
    }

    fn is_cancelled(&self) -> bool {
        self.slot.is_stopped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_protocol_are_the_samplers_own() {
        let same = |ours: &[&str], theirs: &[&str]| {
            let sorted = |names: &[&str]| {
                let mut names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
                names.sort();
                names
            };
            assert_eq!(sorted(ours), sorted(theirs));
        };
        same(&protocol::generation::SAMPLERS, Sampler::NAMES);
        same(&protocol::generation::SCHEDULERS, Schedule::NAMES);
        assert_eq!(protocol::generation::limits::SEED, sdxl::limits::SEED);
        assert_eq!(protocol::generation::limits::PROMPT_CHARS, sdxl::limits::PROMPT_CHARS);
    }
}
