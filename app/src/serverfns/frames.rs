//! Frames.

use crate::error::AppError;
use leptos::prelude::*;
use protocol::{FrameId, TakeId};

/// Changes the fields of a frame that are given.
#[server(prefix = "/fn", endpoint = "frames/update")]
pub async fn update_frame(
    /// Id of the frame.
    id: FrameId,
    /// New position on the timeline; frames after it move.
    #[server(default)]
    position: Option<u32>,
    /// New duration, in frames at the project's frame rate.
    #[server(default)]
    duration: Option<u32>,
    /// The take to show.
    #[server(default)]
    take_id: Option<TakeId>,
    /// New note.
    #[server(default)]
    note: Option<String>,
) -> Result<(), AppError> {
    let patch = protocol::FramePatch { position, duration, take_id, note };
    super::answer(super::services()?.update_frame(id, patch).await.map(|_| ()))
}

/// Soft-deletes a frame and cancels its open tasks. It can be restored for thirty days if it had a finished take.
#[server(prefix = "/fn", endpoint = "frames/delete")]
pub async fn delete_frame(
    /// Id of the frame.
    id: FrameId,
) -> Result<(), AppError> {
    super::answer(super::services()?.delete_frame(id).await.map(|_| ()))
}

/// Undoes a deletion.
#[server(prefix = "/fn", endpoint = "frames/restore")]
pub async fn restore_frame(
    /// Id of the frame.
    id: FrameId,
) -> Result<(), AppError> {
    super::answer(super::services()?.restore_frame(id).await.map(|_| ()))
}

/// Creates a frame right after this one with a copy of its picture. Returns the new frame's id.
#[server(prefix = "/fn", endpoint = "frames/duplicate")]
pub async fn duplicate_frame(
    /// Id of the frame.
    id: FrameId,
) -> Result<FrameId, AppError> {
    let created = super::services()?.duplicate_frame(id).await;
    let copy = created.and_then(|frames| frames.first().map(|frame| frame.id).ok_or(protocol::Problem::Internal));
    super::answer(copy)
}
