//! The form of a branch from a step.

use super::steps::Steps;
use crate::{
    drafts::Draft,
    error::AppError,
    serverfns::takes::{get_trace, list_takes},
};
use protocol::{FrameId, TakeId};

/// The form that continues a take after a step; none where no state was kept.
///
/// A branch has no states of the steps that it shares. The take that it shares them with has: the result then branches from that
/// one, with the settings of the branch.
pub async fn branching(frame: FrameId, id: TakeId, step: u32) -> Result<Option<Draft>, AppError> {
    let takes = list_takes(frame).await?.open()?;
    let find = |id| takes.iter().find(|take| take.id == id);
    let Some(shown) = find(id) else { return Ok(None) };
    let mut of = shown;
    loop {
        let Some(trace) = get_trace(of.id).await?.open()? else { return Ok(None) };
        let steps = Steps::from(trace);
        if steps.can_branch(step) {
            return Ok(Some(Draft { branch_of: of.id.to_string(), ..Draft::branching(shown, step) }));
        }
        let shared = of.parameters.from_step.is_some_and(|shared| step <= shared);
        // Each is older than the last, so this ends.
        match of.parameters.branch_of.filter(|older| shared && *older < of.id).and_then(find) {
            Some(older) => of = older,
            None => return Ok(None),
        }
    }
}
