//! Changing tasks before their pictures are finished.

use crate::{
    LocalStudio,
    problem::{engine_problem, problem},
    tasks::STEP_TIMEOUT,
    traces::without_tagged,
};
use protocol::{
    FieldError, NewGeneration, Parameters, Problem, Task, TaskId, TaskPatch, finish_error,
    generation::limits::TRACK_CHANGES,
};

impl LocalStudio {
    pub(crate) async fn update_task(&self, id: TaskId, patch: TaskPatch) -> Result<Task, Problem> {
        let task = self.with_progress(self.store.get_task(id).await.map_err(problem)?);
        self.check_patch(&task, &patch).await?;
        let mut change = patch.change();
        if change.is_empty() && patch.strength.is_none() {
            return Ok(self.presented(task));
        }
        let expanded = self.expanded_change(&patch, task.seed)?;
        change.prompt = change.prompt.and(Some(expanded.prompt));
        change.negative_prompt = change.negative_prompt.and(expanded.negative_prompt);
        let steered = self.engine.steer_task(id, change, patch.strength, STEP_TIMEOUT).await;
        Ok(self.presented(steered.map_err(engine_problem)?))
    }

    /// Choices and wildcards of the changed prompts, expanded.
    fn expanded_change(&self, patch: &TaskPatch, seed: u64) -> Result<NewGeneration, Problem> {
        let changed = NewGeneration {
            negative_prompt: patch.negative_prompt.clone(),
            ..NewGeneration::of(patch.prompt.clone().unwrap_or_default())
        };
        Ok(self.expanded(&changed, seed)?.unwrap_or(changed))
    }

    /// Checks the fields, also against the task.
    async fn check_patch(&self, task: &Task, patch: &TaskPatch) -> Result<(), Problem> {
        let of = &task.parameters;
        let mut errors = patch.errors();
        if errors.is_empty() && patch.strength.is_some() && of.init_take_id.is_none() {
            errors.push(FieldError::new("strength", "needs a picture that starts from another one"));
        }
        if errors.is_empty() && task.status.is_open() {
            errors.extend(patch.finish_in.and_then(|steps| finish_error(steps, task.step, task.total_steps)));
        }
        if !errors.is_empty() {
            return Err(Problem::Invalid(errors));
        }
        if of.track.len() >= TRACK_CHANGES {
            return Err(Problem::Conflict(format!("task {} was changed {TRACK_CHANGES} times, the most", task.id)));
        }
        let Some(prompt) = &patch.prompt else { return Ok(()) };
        // The networks of a run stay the same.
        let other = Parameters { prompt: prompt.clone(), loras: without_tagged(of), ..of.clone() };
        let (other, _) = self.with_loras(other).await?;
        match other.loras == of.loras {
            true => Ok(()),
            false => Err(Problem::invalid("prompt", "must name the same LoRA files with the same weights as before")),
        }
    }
}
