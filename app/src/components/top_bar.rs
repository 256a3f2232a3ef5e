//! The bar over every page.

use super::{Mark, connection_status::ConnectionStatus, theme_switch::ThemeSwitch};
use leptos::prelude::*;

/// The name, which leads home; the connection; the colours.
#[component]
pub fn TopBar() -> impl IntoView {
    view! {
        <header class="top-bar">
            <a class="brand" href="/">
                <Mark/>
                "Emberline"
            </a>
            <div class="top-bar-end">
                <ConnectionStatus/>
                <ThemeSwitch/>
            </div>
        </header>
    }
}
