use crate::{error::AppError, studio::draft::Draft};
use leptos::prelude::*;
use protocol::{FrameId, ProjectId};

/// Queues a generation from its form; answers its frame, which stands on the timeline by then, and its seed.
#[server(prefix = "/fn", endpoint = "generations/create")]
pub async fn create_generation(
    /// The project.
    project_id: ProjectId,
    /// The form as typed; its fields are named `draft[prompt]` and so on.
    draft: Draft,
) -> Result<(FrameId, u64), AppError> {
    let made = match draft.read() {
        Ok(new) => crate::serverfns::services()?.generate(project_id, new, draft.idempotency_key()).await,
        Err(problem) => Err(problem),
    };
    let first = made.and_then(|made| {
        let first = made.tasks.first().ok_or(protocol::Problem::Internal)?;
        Ok((first.frame_id, first.seed))
    });
    crate::serverfns::answer(first.map_err(|problem| draft.refused(problem)))
}
