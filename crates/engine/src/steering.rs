//! Changing tasks before their pictures are finished.

use crate::{
    Engine, EngineError,
    traces::{Saved, parameters_hash},
};
use protocol::{Parameters, Task, TaskId, TaskStatus, TrackChange};
use std::{sync::Arc, time::Duration};
use store::{RequestState, RunRequest, StoreError, TraceKind};

/// How often a change is tried again when the task's status changes meanwhile: it is claimed, or its attempt ends.
const TRIES: usize = 100;

/// Time between two tries: a worker has claimed the task and is about to start it.
const TRY_INTERVAL: Duration = Duration::from_millis(10);

impl Engine {
    /// Changes a queued, running or paused task from its next step on. A running one changes before its next step, and this
    /// waits until it has, at most `at_most`. The change's step is not used. Returns the task in its state at that time.
    ///
    /// A task of which no step is done gets the values as its own parameters, also `strength`.
    ///
    /// # Errors
    /// [`EngineError::Begun`] for a strength after the first step; [`EngineError::Ended`] for a task that has ended or ends
    /// meanwhile; a task that does not exist.
    pub async fn steer_task(
        &self,
        id: TaskId,
        change: TrackChange,
        strength: Option<f64>,
        at_most: Duration,
    ) -> Result<Task, EngineError> {
        for _ in 0..TRIES {
            let task = self.shared.store.get_task(id).await?;
            match task.status {
                TaskStatus::Running if strength.is_some() => return Err(EngineError::Begun { task: id }),
                TaskStatus::Running => {
                    if let Some(slot) = self.shared.slots.get(id) {
                        let number = slot.steer.want(change.clone());
                        tokio::select! {
                            () = slot.steer.wait_until_recorded(number, at_most) => {}
                            () = slot.wait_for_end(at_most) => {}
                        }
                        let task = self.shared.store.get_task(id).await?;
                        if slot.steer.is_recorded(number) || task.status == TaskStatus::Running {
                            return Ok(task);
                        }
                    } else if self.runs_elsewhere(id).await? {
                        let asked = self.ask_elsewhere(id, RunRequest::Change(change.clone()), at_most).await?;
                        if asked != RequestState::Over {
                            return Ok(self.shared.store.get_task(id).await?);
                        }
                    }
                }
                TaskStatus::Queued | TaskStatus::Paused => {
                    let (step, after) = self.changed(&task, &change, strength).await?;
                    match self.shared.store.steer_waiting(id, step, &task.parameters, &after).await {
                        Ok(open) => return Ok(open.task),
                        Err(StoreError::Conflict { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                status => return Err(EngineError::Ended { task: id, status, to: "changed" }),
            }
            tokio::time::sleep(TRY_INTERVAL).await;
        }
        Ok(self.shared.store.get_task(id).await?)
    }

    /// The steps that are done of a task that is not running, and its parameters with the change.
    async fn changed(
        &self,
        task: &Task,
        change: &TrackChange,
        strength: Option<f64>,
    ) -> Result<(u32, Parameters), EngineError> {
        let done = self.saved_step(task).await?;
        let mut parameters = task.parameters.clone();
        if done > 0 {
            if strength.is_some() {
                return Err(EngineError::Begun { task: task.id });
            }
            parameters.change(TrackChange { step: done, ..change.clone() });
            return Ok((done, parameters));
        }
        let TrackChange { prompt, negative_prompt, cfg_scale, .. } = change.clone();
        parameters.prompt = prompt.unwrap_or(parameters.prompt);
        parameters.negative_prompt = negative_prompt.unwrap_or(parameters.negative_prompt);
        parameters.cfg_scale = cfg_scale.unwrap_or(parameters.cfg_scale);
        parameters.strength = strength.or(parameters.strength);
        Ok((0, parameters))
    }

    /// The steps from which a task that is not running goes on.
    async fn saved_step(&self, task: &Task) -> Result<u32, EngineError> {
        let Some(take) = task.take_id else { return Ok(0) };
        let key = self.shared.store.get_take(take).await?.key;
        if self.media().pictures().is_some() {
            let saved = self.shared.store.trace_object(&key, TraceKind::State).await?;
            return Ok(saved.map_or(0, |saved| saved.step));
        }
        let (media, hash) = (Arc::clone(self.media()), parameters_hash(&task.parameters, task.seed));
        let newest = tokio::task::spawn_blocking(move || Saved::newest(&media, &key, &hash));
        Ok(newest.await.ok().and_then(Result::ok).flatten().map_or(0, |saved| saved.step))
    }
}
