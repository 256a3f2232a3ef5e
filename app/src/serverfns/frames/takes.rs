use crate::error::AppError;
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{FrameId, Take};

/// A frame's takes, newest first. A frame that is gone has none: it may go while this is asked.
#[server(prefix = "/fn", endpoint = "frames/takes", input = GetUrl)]
pub async fn frame_takes(
    /// Which frame.
    id: FrameId,
) -> Result<Vec<Take>, AppError> {
    match crate::serverfns::services()?.takes(id).await {
        Err(protocol::Problem::NotFound(_)) => Ok(Vec::new()),
        found => crate::serverfns::answer(found),
    }
}
