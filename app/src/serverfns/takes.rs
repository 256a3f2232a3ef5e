//! Takes.

use crate::{error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{FrameId, Take, TakeId, TakePatch, TakeTrace};

/// A frame's takes, newest first. Empty for a deleted frame, which may be deleted while this request is sent.
#[server(prefix = "/fn", endpoint = "frames/takes", input = GetUrl)]
pub async fn list_takes(
    /// Id of the frame.
    id: FrameId,
) -> Result<Packed<Vec<Take>>, AppError> {
    let found = match super::services()?.list_takes(id).await {
        Err(protocol::Problem::NotFound(_)) => Ok(Vec::new()),
        found => found,
    };
    super::answer(found.and_then(|takes| Packed::new(&takes)))
}

/// What is kept of how a take formed; none of a take that is gone. A page may ask for a take that is cancelled at that moment.
#[server(prefix = "/fn", endpoint = "takes/trace", input = GetUrl)]
pub async fn get_trace(
    /// Id of the take.
    id: TakeId,
) -> Result<Packed<Option<TakeTrace>>, AppError> {
    let trace = match super::services()?.get_trace(id).await {
        Err(protocol::Problem::NotFound(_)) => Ok(None),
        answer => answer.map(Some),
    };
    super::answer(trace.and_then(|trace| Packed::new(&trace)))
}

/// Changes a take.
#[server(prefix = "/fn", endpoint = "takes/update")]
pub async fn update_take(
    /// Id of the take.
    id: TakeId,
    /// What changes.
    patch: TakePatch,
) -> Result<(), AppError> {
    super::answer(super::services()?.update_take(id, patch).await.map(|_| ()))
}

/// Deletes a take. It can be restored for thirty days.
#[server(prefix = "/fn", endpoint = "takes/delete")]
pub async fn delete_take(
    /// Id of the take.
    id: TakeId,
) -> Result<(), AppError> {
    super::answer(super::services()?.delete_take(id).await.map(|_| ()))
}

/// Undoes the deletion of a take.
#[server(prefix = "/fn", endpoint = "takes/restore")]
pub async fn restore_take(
    /// Id of the take.
    id: TakeId,
) -> Result<(), AppError> {
    super::answer(super::services()?.restore_take(id).await.map(|_| ()))
}
