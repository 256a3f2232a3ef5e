//! Generates the picture of one attempt: loads the inputs, samples, and encodes the result.

use super::{
    error::GenerationError,
    inputs::Inputs,
    overnight::Aside,
    sample::{Pace, sample},
};
use crate::{
    Costs, Media, Models, PreviewTimes, TraceLimits,
    injected::FaultInjector,
    models,
    needs::texts,
    previews::{PreviewQueue, Show},
    slot::Slot,
    traces::{Begun, NotShared, Saved, SharedSteps, TraceQueue, header, read_state},
};
use checkpoint::{EmbeddingFile, LoraFile};
use protocol::{Lora, Parameters, Task};
use sdxl::{Generated, InitImage, LoraUse, Output, Params, Picture};
use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use store::KeyedTake;

/// Result of an attempt that did not fail.
pub(crate) enum Outcome {
    Picture(Box<Finished>),
    /// It stopped between two steps, to go on later.
    Paused(Box<PausedRun>),
    /// It stopped between two steps to be changed.
    Steered(Box<PausedRun>),
    Stopped,
}

/// A run that stopped between two steps.
pub(crate) struct PausedRun {
    pub(crate) header: trace::Header,
    /// Steps that are done.
    pub(crate) step: u32,
    /// The state after them.
    pub(crate) state: trace::State,
}

/// A finished picture.
pub(crate) struct Finished {
    pub(crate) png: Vec<u8>,
    /// The last sampling step that ran.
    pub(crate) step: u32,
    /// None of one that an earlier attempt has made.
    pub(crate) costs: Option<Costs>,
}

/// The takes whose pictures an attempt reads.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sources<'a> {
    /// That of the initial picture.
    pub(crate) init: Option<&'a KeyedTake>,
    /// Key of the take that it branches from.
    pub(crate) branch: Option<&'a str>,
}

/// Generates pictures from the engine's models and pictures.
pub(crate) struct Generator<'a> {
    pub(crate) models: &'a Models,
    pub(crate) media: &'a Media,
    /// Time that decoding the last picture of this size took.
    pub(crate) decode: Option<Duration>,
    /// What is kept of how the picture forms.
    pub(crate) traces: TraceLimits,
    /// Least time between two states that are saved for a server that is killed.
    pub(crate) save_interval: Duration,
    /// For tests of the recovery.
    pub(crate) faults: &'a FaultInjector,
    /// Whether the attempt makes room for others.
    pub(super) aside: Aside<'a>,
}

impl Generator<'_> {
    /// Loads the initial image, the steps that are done, the model, the LoRA files and the embeddings. `own_key` is the take's
    /// own key.
    pub(crate) fn prepare(
        &self,
        task: &Task,
        own_key: &str,
        sources: Sources<'_>,
        watch: &dyn models::Watch,
    ) -> Result<Inputs, GenerationError> {
        let mut params = params(&task.parameters, task.seed);
        params.init_image = self.init_image(sources.init, task.parameters.strength)?;
        params.embeddings = self.embeddings(&task.parameters)?;
        let loras = task.parameters.loras.iter().map(|lora| self.lora(lora)).collect::<Result<Vec<_>, _>>()?;
        let pipeline = self.models.pipeline_for(&task.parameters, watch)?;
        let networks = pipeline.networks(&loras)?;
        let header = header(task, &params, &pipeline)?;
        let begun = self.begun(task, own_key, sources.branch, &header)?;
        Ok(Inputs { params, pipeline, networks, header, track: task.parameters.track.clone(), begun })
    }

    /// The steps that are done: the saved ones of the take's own run, which a branch has since it was created; otherwise (a
    /// branch that is retried with a new key) those of the take that it branches from.
    fn begun(
        &self,
        task: &Task,
        own_key: &str,
        source_key: Option<&str>,
        header: &trace::Header,
    ) -> Result<Option<Begun>, NotShared> {
        if let Some(saved) = Saved::newest(self.media, own_key, &header.parameters)? {
            return Ok(Some(Begun::Saved(saved)));
        }
        let Some(step) = task.parameters.from_step else { return Ok(None) };
        let source = source_key.ok_or(NotShared::NoTrace)?;
        let shared = SharedSteps::read(self.media, source, step)?.for_sampler(task.parameters.sampler);
        Ok(Some(Begun::Shared(shared)))
    }

    fn lora(&self, lora: &Lora) -> Result<LoraUse, GenerationError> {
        let path = self.models.lora_path(lora).map_err(GenerationError::Lora)?;
        let file = LoraFile::open(&path).map_err(|error| GenerationError::Lora(error.to_string()))?;
        Ok(LoraUse { file: Arc::new(file), unet_weight: lora.unet_weight, text_weight: lora.text_weight() })
    }

    fn embeddings(&self, of: &Parameters) -> Result<Vec<Arc<EmbeddingFile>>, GenerationError> {
        let paths = self.models.embeddings_in(&texts(of));
        let open = |path| EmbeddingFile::open(path).map(Arc::new).map_err(GenerationError::Embedding);
        paths.iter().map(|path| open(path)).collect()
    }

    /// Samples and encodes the picture. Each step is shown after its preview.
    pub(crate) fn generate(
        &self,
        inputs: &Inputs,
        task: &Task,
        slot: &Slot,
        show: &dyn Show,
    ) -> Result<Outcome, GenerationError> {
        if slot.is_stopped() {
            return Ok(Outcome::Stopped);
        }
        let least = Duration::from_millis(task.parameters.preview_interval_ms.into());
        let queue = PreviewQueue::new(task.parameters.preview_method, least).pausing_at(task.pause_at);
        let trace = TraceQueue::new(self.traces, self.save_interval);
        let begun = inputs.begun.as_ref();
        let (generated, previews) = thread::scope(|scope| {
            // A builder, because `scope.spawn` panics when no thread can be started.
            let writer = thread::Builder::new().name("previews".to_owned());
            let writer =
                writer.spawn_scoped(scope, || queue.write(&inputs.pipeline, show)).map_err(GenerationError::Thread);
            // Ends the writers even when the sampler panics: the scope waits for them.
            let ends = EndOnDrop(&queue, &trace);
            let writer = writer?;
            let traces = thread::Builder::new().name("trace".to_owned());
            let traces = traces
                .spawn_scoped(scope, || trace.write(&inputs.pipeline, self.media, slot, &inputs.header, begun))
                .map_err(GenerationError::Thread)?;
            let pace = Pace { decode: self.decode, faults: self.faults, aside: &self.aside };
            let generated = sample(&pace, inputs, slot, (&queue, &trace));
            drop(ends);
            // A panic of a writer does not fail the generation.
            traces.join().ok();
            Ok::<_, GenerationError>((generated, writer.join().unwrap_or_default()))
        })?;
        match generated? {
            Generated::Picture(output) if !slot.is_stopped() => {
                Ok(Outcome::Picture(Box::new(finished(task, *output, previews)?)))
            }
            Generated::Paused { state, .. } if !slot.is_stopped() => {
                let step = u32::try_from(state.step).unwrap_or(u32::MAX);
                let state = read_state(&state).map_err(GenerationError::State)?;
                let run = Box::new(PausedRun { header: inputs.header.clone(), step, state });
                Ok(if slot.steer.is_due(step as usize) { Outcome::Steered(run) } else { Outcome::Paused(run) })
            }
            _ => Ok(Outcome::Stopped),
        }
    }

    fn init_image(
        &self,
        take: Option<&KeyedTake>,
        strength: Option<f64>,
    ) -> Result<Option<InitImage>, GenerationError> {
        let (Some(take), Some(strength)) = (take, strength) else { return Ok(None) };
        let picture = take.picture.as_ref().ok_or(GenerationError::NoInitImage)?;
        let bytes = self.media.read_final(&take.key, picture).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => GenerationError::NoInitImage,
            _ => GenerationError::InitImage(error),
        })?;
        let image = image::load_from_memory(&bytes).map_err(|_| GenerationError::NoInitImage)?;
        Ok(Some(InitImage { picture: Picture::from_rgb8(&image.to_rgb8()), strength }))
    }
}

struct EndOnDrop<'a>(&'a PreviewQueue, &'a TraceQueue);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
        self.1.end();
    }
}

fn finished(task: &Task, output: Output, previews: PreviewTimes) -> Result<Finished, GenerationError> {
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
    Ok(Finished { png, step: u32::try_from(step).unwrap_or(u32::MAX), costs: Some(costs) })
}

/// The generation parameters that are written into the picture's file.
fn record(task: &Task) -> png_info::Parameters {
    let of = &task.parameters;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let branch_of = of.branch_of.map(|take| take.0);
    let (model, styles, track) = (of.model.clone(), of.styles.clone(), of.track.clone());
    let (shared, from_step) = (of.shared(), of.from_step);
    png_info::Parameters::new(shared, task.seed, model, of.strength, styles, branch_of, from_step, track, version)
}

/// Converts a task's parameters for the pipeline, without the initial picture.
pub(crate) fn params(of: &Parameters, seed: u64) -> Params {
    Params { seed, ..of.shared().into() }
}
