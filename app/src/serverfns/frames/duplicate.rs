use crate::error::AppError;
use leptos::prelude::*;
use protocol::FrameId;

/// Makes a frame right behind this one that shows a copy of its picture; answers the new one.
#[server(prefix = "/fn", endpoint = "frames/duplicate")]
pub async fn duplicate_frame(
    /// Which one.
    id: FrameId,
) -> Result<FrameId, AppError> {
    let made = crate::serverfns::services()?.duplicate_frame(id).await;
    let copy = made.and_then(|frames| frames.first().map(|frame| frame.id).ok_or(protocol::Problem::Internal));
    crate::serverfns::answer(copy)
}
