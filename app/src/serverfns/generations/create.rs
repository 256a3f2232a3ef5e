use crate::{error::AppError, studio::draft::Draft};
use leptos::prelude::*;
use protocol::{Accepted, ProjectId};

/// Queues a generation from its form.
#[server(prefix = "/fn", endpoint = "generations/create")]
pub async fn create_generation(
    /// The project.
    project_id: ProjectId,
    /// The form as typed; its fields are named `draft[prompt]` and so on.
    draft: Draft,
) -> Result<Accepted, AppError> {
    let made = match draft.read() {
        Ok(new) => crate::serverfns::services()?.generate(project_id, new, draft.idempotency_key()).await,
        Err(problem) => Err(problem),
    };
    crate::serverfns::answer(made.map_err(|problem| draft.refused(problem)))
}
