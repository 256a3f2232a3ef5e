//! The theme.

use crate::{error::AppError, theme::Theme};
use leptos::prelude::*;

/// Stores the chosen theme in a cookie.
#[server(prefix = "/fn", endpoint = "theme/set")]
pub async fn set_theme(
    /// The theme.
    theme: Theme,
) -> Result<(), AppError> {
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>()
        && let Ok(cookie) = http::HeaderValue::from_str(&theme.cookie())
    {
        response.append_header(http::header::SET_COOKIE, cookie);
    }
    Ok(())
}
