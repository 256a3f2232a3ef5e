use crate::error::AppError;
use leptos::prelude::*;
use protocol::FrameId;

/// Deletes a frame and cancels its tasks; it can be restored for a while if it had a picture.
#[server(prefix = "/fn", endpoint = "frames/delete")]
pub async fn delete_frame(
    /// Which one.
    id: FrameId,
) -> Result<(), AppError> {
    crate::serverfns::answer(crate::serverfns::services()?.delete_frame(id).await.map(|_| ()))
}
