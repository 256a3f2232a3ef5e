use crate::error::AppError;
use leptos::prelude::*;
use protocol::{Interrupted, PreviewMethod};

/// Changes the server's settings: what is not given stays.
#[server(prefix = "/fn", endpoint = "settings/update")]
pub async fn update_settings(
    /// How steps become previews.
    #[server(default)]
    preview_method: Option<PreviewMethod>,
    /// The least time between two previews, milliseconds.
    #[server(default)]
    preview_interval_ms: Option<u32>,
    /// What becomes of interrupted tasks.
    #[server(default)]
    interrupted: Option<Interrupted>,
) -> Result<(), AppError> {
    let patch = protocol::SettingsPatch { preview_method, preview_interval_ms, interrupted };
    crate::serverfns::answer(crate::serverfns::services()?.update_settings(patch).await.map(|_| ()))
}
