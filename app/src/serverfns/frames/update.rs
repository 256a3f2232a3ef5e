use crate::error::AppError;
use leptos::prelude::*;
use protocol::{FrameId, TakeId};

/// Changes a frame: what is not given stays.
#[server(prefix = "/fn", endpoint = "frames/update")]
pub async fn update_frame(
    /// Which frame.
    id: FrameId,
    /// New place; those behind move up.
    #[server(default)]
    position: Option<u32>,
    /// New duration, in frames of the project's rate.
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
    crate::serverfns::answer(crate::serverfns::services()?.update_frame(id, patch).await.map(|_| ()))
}
