use crate::{error::AppError, packed::Packed, studio::draft::Draft};
use leptos::prelude::*;
use protocol::ProjectId;

/// How many milliseconds a generation will take, by the measured time of a step; none while it is not known.
#[server(prefix = "/fn", endpoint = "generations/estimate")]
pub async fn estimate_generation(
    /// The project.
    project_id: ProjectId,
    /// The form as typed.
    draft: Draft,
) -> Result<Packed<Option<u64>>, AppError> {
    let estimate = match draft.read() {
        Ok(new) => crate::serverfns::services()?.estimate(project_id, new).await,
        Err(problem) => Err(problem),
    };
    crate::serverfns::answer(estimate.and_then(|estimate| Packed::new(&estimate)))
}
