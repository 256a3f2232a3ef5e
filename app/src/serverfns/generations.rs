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
    let accepted = match draft.read() {
        Ok(new) => super::services()?.create_generation(project_id, new, draft.idempotency_key()).await,
        Err(problem) => Err(problem),
    };
    let first = accepted.and_then(|accepted| {
        let first = accepted.tasks.first().ok_or(protocol::Problem::Internal)?;
        Ok((first.frame_id, first.seed))
    });
    super::answer(first.map_err(|problem| draft.refused(problem)))
}

/// Estimated time of a generation, milliseconds, from the measured time of a step. `None` until a step was measured.
#[server(prefix = "/fn", endpoint = "generations/estimate")]
pub async fn estimate_generation(
    /// Id of the project.
    project_id: ProjectId,
    /// The form as typed.
    draft: Draft,
) -> Result<Packed<Option<u64>>, AppError> {
    let estimate = match draft.read() {
        Ok(new) => super::services()?.estimate_generation(project_id, new).await,
        Err(problem) => Err(problem),
    };
    super::answer(estimate.and_then(|estimate| Packed::new(&estimate)))
}
