use crate::{error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{FrameId, Take};

/// A frame's takes, newest first. A frame that is gone has none: it may go while this is asked.
#[server(prefix = "/fn", endpoint = "frames/takes", input = GetUrl)]
pub async fn frame_takes(
    /// Which frame.
    id: FrameId,
) -> Result<Packed<Vec<Take>>, AppError> {
    let found = match crate::serverfns::services()?.takes(id).await {
        Err(protocol::Problem::NotFound(_)) => Ok(Vec::new()),
        found => found,
    };
    crate::serverfns::answer(found.and_then(|takes| Packed::new(&takes)))
}
