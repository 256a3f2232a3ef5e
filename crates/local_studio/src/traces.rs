//! Traces of takes, and takes that branch from them.

use crate::{
    LocalStudio,
    generations::idempotency,
    problem::{file_problem, problem},
};
use engine::{
    Media, new_key, total_steps,
    traces::{NotShared, SharedSteps, parameters_hash},
};
use generation::PromptSyntax;
use prompt::networks::networks;
use protocol::{
    Accepted, Loras, NewBranch, NewGeneration, Parameters, Problem, Take, TakeId, TakePatch, TakeTrace, TraceStep,
    finish_error, step_path,
};
use std::{collections::BTreeSet, io, sync::Arc};
use store::{KeyedTake, NewTake, NewTasks};
use trace::{Header, Writer};

impl LocalStudio {
    pub(crate) async fn get_trace(&self, id: TakeId) -> Result<TakeTrace, Problem> {
        let KeyedTake { take, key, .. } = self.store.get_take(id).await.map_err(problem)?;
        self.trace_of(&take, key).await
    }

    async fn trace_of(&self, take: &Take, key: String) -> Result<TakeTrace, Problem> {
        let (media, id) = (Arc::clone(self.media()), take.id);
        let empty =
            TakeTrace { take_id: id, total_steps: 0, bytes: 0, trace_pinned: take.trace_pinned, steps: Vec::new() };
        let read = tokio::task::spawn_blocking(move || read_trace(&media, empty, &key));
        read.await.map_err(|_| Problem::Internal)?.map_err(|error| unreadable(id, &error))
    }

    pub(crate) async fn update_take(&self, id: TakeId, patch: TakePatch) -> Result<Take, Problem> {
        Ok(self.store.update_take(id, patch).await.map_err(problem)?.take)
    }

    /// Order of work: the first steps and the first preview are in files, then the rows, the event, the answer.
    pub(crate) async fn branch_take(
        &self,
        id: TakeId,
        new: NewBranch,
        idempotency_key: Option<String>,
    ) -> Result<Accepted, Problem> {
        let KeyedTake { take, key, .. } = self.store.get_take(id).await.map_err(problem)?;
        let idempotency = idempotency_key.map(|key| idempotency(key, &(id, &new))).transpose()?;
        if let Some(tasks) = self.accepted_before(take.project_id, idempotency.as_ref()).await? {
            let request = new.generation(take.frame_id, &take.parameters, take.seed);
            return Ok(Accepted { tasks, warnings: self.request_warnings(&request) });
        }
        self.trace_of(&take, key.clone()).await?.check_branch(new.from_step)?;
        if let Some(error) =
            new.finish_in.and_then(|steps| finish_error(steps, new.from_step, total_steps(&take.parameters)))
        {
            return Err(Problem::Invalid(vec![error]));
        }
        let request = self.request_of(&take, &new)?;
        let project = self.get_project(take.project_id).await?;
        let parameters = request.resolved(&self.defaults(&project, &request).await?)?;
        let (parameters, about_loras) = self.with_loras(parameters).await?;
        let (branch_of, from_step) = (Some(id), Some(new.from_step));
        let parameters = Parameters { branch_of, from_step, ..parameters };
        let warnings = [self.warnings(&parameters), about_loras].concat();
        let made = NewTake { key: new_key(), parameters, seed: request.seed.unwrap_or(take.seed) };
        self.write_shared_steps(key, new.from_step, made.clone()).await?;
        let (project_id, frame_id) = (take.project_id, Some(take.frame_id));
        let (takes, overnight, pause_at) = (vec![made], new.overnight, None);
        let tasks =
            self.queue_takes(NewTasks { project_id, frame_id, takes, idempotency, overnight, pause_at }).await?;
        Ok(Accepted { tasks, warnings })
    }

    /// The take's request with the changes. Choices and wildcards of changed prompts are expanded; those of the others were.
    fn request_of(&self, take: &Take, new: &NewBranch) -> Result<NewGeneration, Problem> {
        let of = &take.parameters;
        let seed = new.seed.unwrap_or(take.seed);
        let changed = NewGeneration {
            negative_prompt: new.negative_prompt.clone(),
            ..NewGeneration::of(new.prompt.clone().unwrap_or_default())
        };
        let changed = self.expanded(&changed, seed)?.unwrap_or(changed);
        let branch = NewBranch {
            prompt: new.prompt.as_ref().map(|_| changed.prompt),
            negative_prompt: changed.negative_prompt,
            loras: new.loras.clone().or_else(|| new.prompt.as_ref().map(|_| without_tagged(of))),
            ..new.clone()
        };
        Ok(branch.generation(take.frame_id, of, take.seed))
    }

    /// Writes the new take's trace, with the first steps of the take with this key, and its first preview: the picture of
    /// the last of these steps. Where pictures are objects it is read from the trace.
    async fn write_shared_steps(&self, source: String, step: u32, take: NewTake) -> Result<(), Problem> {
        let (media, key) = (Arc::clone(self.media()), take.key.clone());
        let write = move || match media.pictures() {
            None => write_files(&media, &source, step, &take).map(|()| None),
            Some(_) => shared_trace(&media, &source, step, &take).map(Some),
        };
        let written = tokio::task::spawn_blocking(write).await.map_err(|_| Problem::Internal)?;
        let stored = match written {
            Ok(Some(trace)) => {
                self.media().store_trace_of_new_take(&key, step, trace.into()).await.map_err(io::Error::from)
            }
            written => written.map(drop),
        };
        stored.map_err(|error| {
            tracing::error!(%error, "the first steps of a branch could not be written");
            file_problem(&error, "the server cannot write pictures")
        })
    }
}

/// The first steps of the take with this key as the trace of a new take.
fn shared_trace(media: &Media, source: &str, step: u32, take: &NewTake) -> io::Result<Vec<u8>> {
    let (shared, header) = shared_steps(media, source, step, take)?;
    let mut bytes = Vec::new();
    shared.write(&mut Writer::start(&mut bytes, &header)?)?;
    Ok(bytes)
}

/// As [`shared_trace`], as files.
fn write_files(media: &Media, source: &str, step: u32, take: &NewTake) -> io::Result<()> {
    let (shared, header) = shared_steps(media, source, step, take)?;
    let written = media.start_trace(&take.key, |file| {
        let mut writer = Writer::start(file, &header)?;
        shared.write(&mut writer)?;
        Ok(writer)
    });
    let preview = match shared.last_picture() {
        Some(png) => Ok(png.to_vec()),
        None => engine::first_preview(&take.parameters, take.seed).map_err(io::Error::other),
    };
    let written = written.and_then(|_| media.write_preview(&take.key, &preview?));
    if written.is_err() {
        media.remove(&take.key).ok();
    }
    written
}

fn shared_steps(media: &Media, source: &str, step: u32, take: &NewTake) -> io::Result<(SharedSteps, Header)> {
    let shared = SharedSteps::read(media, source, step).map_err(|error| match error {
        NotShared::Trace(trace::Error::Io(error)) => error,
        error => io::Error::other(error),
    })?;
    let shared = shared.for_sampler(take.parameters.sampler);
    let parameters = parameters_hash(&take.parameters, take.seed);
    let header = Header { run: rand::random(), parameters, ..shared.header.clone() };
    Ok((shared, header))
}

/// The LoRA files of a take without those that only its prompt names: another prompt names its own.
pub(crate) fn without_tagged(of: &Parameters) -> Loras {
    let tagged = networks(&of.prompt, PromptSyntax::A1111).1;
    let weights = |lora: &protocol::Lora| (lora.unet_weight, lora.text_weight());
    let is_tagged =
        |lora: &protocol::Lora| tagged.iter().any(|tag| tag.name == lora.name && weights(tag) == weights(lora));
    Loras(of.loras.iter().filter(|lora| !is_tagged(lora)).cloned().collect())
}

/// The trace of a take, `empty` without one.
fn read_trace(media: &Media, empty: TakeTrace, key: &str) -> Result<TakeTrace, trace::Error> {
    let trace = match media.open_trace(key) {
        Err(trace::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(empty);
        }
        trace => trace?,
    };
    let (pictures, states) = (trace.pictures().collect::<Vec<_>>(), trace.states().collect::<Vec<_>>());
    let run = trace.header().run;
    let bytes_of = |list: &[(u32, u64)], step: u32| list.iter().find(|(at, _)| *at == step).map(|(_, bytes)| *bytes);
    // Before the first step there is nothing to share.
    let kept: BTreeSet<u32> = pictures.iter().chain(&states).map(|(step, _)| *step).filter(|step| *step > 0).collect();
    let step = |step: u32| {
        let (picture, state) = (bytes_of(&pictures, step), bytes_of(&states, step));
        TraceStep {
            step,
            path: picture.map(|_| step_path(key, step, run)),
            bytes: picture.unwrap_or_default() + state.unwrap_or_default(),
            can_branch: state.is_some(),
        }
    };
    let bytes = pictures.iter().chain(&states).map(|(_, bytes)| bytes).sum();
    let steps = kept.into_iter().map(step).collect();
    Ok(TakeTrace { total_steps: trace.header().steps(), bytes, steps, ..empty })
}

fn unreadable(id: TakeId, error: &trace::Error) -> Problem {
    if let Some(problem) = out_of_reach(error) {
        return problem;
    }
    tracing::error!(take.id = %id, %error, "a trace cannot be read");
    Problem::Conflict(format!("the trace of take {id} cannot be read: {error}"))
}

/// The problem for a trace that is an object and cannot be reached now.
pub(crate) fn out_of_reach(error: &trace::Error) -> Option<Problem> {
    match error {
        trace::Error::Io(error) if error.kind() == io::ErrorKind::HostUnreachable => {
            Some(Problem::Unavailable(format!("the server cannot read traces: {}", engine::why_unread(error))))
        }
        _ => None,
    }
}

/// The problem for the picture of a step whose trace cannot be read.
pub fn step_problem(error: &trace::Error) -> Problem {
    out_of_reach(error).unwrap_or_else(|| {
        tracing::error!(%error, "cannot read a trace");
        Problem::Internal
    })
}
