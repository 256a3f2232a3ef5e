use crate::error::AppError;
use leptos::prelude::*;
use protocol::FrameId;

/// Takes a deletion back.
#[server(prefix = "/fn", endpoint = "frames/restore")]
pub async fn restore_frame(
    /// Which one.
    id: FrameId,
) -> Result<(), AppError> {
    crate::serverfns::answer(crate::serverfns::services()?.restore_frame(id).await.map(|_| ()))
}
