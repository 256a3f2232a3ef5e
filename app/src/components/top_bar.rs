//! The bar over every page.

use super::{Mark, connection_status::ConnectionStatus, theme_switch::ThemeSwitch};
use leptos::prelude::*;

/// The name, which leads home; the connection; the colours; between them what the page puts there.
#[component]
pub fn TopBar(
    /// After the name.
    #[prop(optional)]
    start: Option<AnyView>,
    /// Before the connection.
    #[prop(optional)]
    end: Option<AnyView>,
) -> impl IntoView {
    view! {
        <header class="top-bar">
            <a class="brand" href="/">
                <Mark/>
                <span class="brand-name">"Emberline"</span>
            </a>
            {start}
            <div class="top-bar-end">
                {end}
                <ConnectionStatus/>
                <ThemeSwitch/>
            </div>
        </header>
    }
}
