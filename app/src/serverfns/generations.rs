//! Generations.

use crate::{drafts::Draft, error::AppError, packed::Packed};
use leptos::prelude::*;
use protocol::{FrameId, ProjectId};

/// Queues a generation from its form. Returns its frame, which is on the timeline by then, and its seed.
#[server(prefix = "/fn", endpoint = "generations/create")]
pub async fn create_generation(
    /// Id of the project.
    project_id: ProjectId,
    /// The form as typed; its fields are named `draft[prompt]` and so on.
    draft: Draft,
) -> Result<(FrameId, u64), AppError> {
    let services = super::services()?;
    let key = draft.idempotency_key();
    let accepted = match (draft.read(), draft.branch(), draft.finish_in()) {
        (Ok(new), Ok(None), _) => services.create_generation(project_id, new, key).await,
        (Ok(new), Ok(Some((take, from_step))), Ok(finish_in)) => {
            services.branch_take(take, branch(new, from_step, finish_in), key).await
        }
        (Err(problem), ..) | (_, Err(problem), _) | (.., Err(problem)) => Err(problem),
    };
    let first = accepted.and_then(|accepted| {
        let first = accepted.tasks.first().ok_or(protocol::Problem::Internal)?;
        Ok((first.frame_id, first.seed))
    });
    super::answer(first.map_err(|problem| draft.refused(problem)))
}

/// Estimated time of a generation, milliseconds, from the measured time of a step. `None` until a step was measured, and for one
/// that cannot be made now: its model may be gone.
#[server(prefix = "/fn", endpoint = "generations/estimate")]
pub async fn estimate_generation(
    /// Id of the project.
    project_id: ProjectId,
    /// The form as typed.
    draft: Draft,
) -> Result<Packed<Option<u64>>, AppError> {
    let estimate = match draft.read() {
        Ok(new) => {
            let (pause_at, steps) = (new.pause_at, new.steps.unwrap_or_default());
            let shared = draft.branch().ok().flatten().map_or(0, |(_, k)| k);
            let whole = match super::services()?.estimate_generation(project_id, new).await {
                Err(protocol::Problem::Invalid(_)) => Ok(None),
                answer => answer,
            };
            // A branch computes the steps that it does not share.
            let left = steps.saturating_sub(shared);
            let finish_in = draft.finish_in().ok().flatten().filter(|_| shared > 0);
            let own = finish_in.map_or(left, |steps| steps.min(left));
            // Until they pause.
            let own = pause_at.filter(|_| shared == 0).map_or(own, |step| step.min(own));
            let share = |ms: u64| (ms * u64::from(own)).checked_div(steps.into());
            whole.map(|ms| ms.map(|ms| share(ms).unwrap_or(ms)))
        }
        Err(problem) => Err(problem),
    };
    super::answer(estimate.and_then(|estimate| Packed::new(&estimate)))
}

/// What the form changes after the shared steps.
#[cfg(feature = "ssr")]
fn branch(new: protocol::NewGeneration, from_step: u32, finish_in: Option<u32>) -> protocol::NewBranch {
    protocol::NewBranch {
        from_step,
        prompt: Some(new.prompt),
        negative_prompt: new.negative_prompt,
        cfg_scale: new.cfg_scale,
        sampler: new.sampler,
        loras: new.loras,
        seed: new.seed,
        finish_in,
        overnight: new.overnight,
    }
}
