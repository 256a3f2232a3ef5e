//! The server's settings.

use crate::error::AppError;
use leptos::prelude::*;
use protocol::{Interrupted, PreviewMethod, TraceLevel};

/// Changes the settings that are given.
#[server(prefix = "/fn", endpoint = "settings/update")]
pub async fn update_settings(
    /// How previews are decoded.
    #[server(default)]
    preview_method: Option<PreviewMethod>,
    /// Minimum time between two previews, milliseconds.
    #[server(default)]
    preview_interval_ms: Option<u32>,
    /// What a restart does with interrupted tasks.
    #[server(default)]
    interrupted: Option<Interrupted>,
    /// Maximum number of models in memory.
    #[server(default)]
    models_in_memory: Option<u8>,
    /// What is kept of how pictures form.
    #[server(default)]
    trace: Option<TraceLevel>,
) -> Result<(), AppError> {
    let patch = protocol::SettingsPatch {
        preview_method,
        preview_interval_ms,
        interrupted,
        models_in_memory,
        trace,
        ..Default::default()
    };
    super::answer(super::services()?.update_settings(patch).await.map(|_| ()))
}
