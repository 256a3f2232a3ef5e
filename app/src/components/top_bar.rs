//! The bar over every page.

use super::{Icon, Mark, connection_status::ConnectionStatus, theme_switch::ThemeSwitch};
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
            <a class="brand" href="/" aria-label="Emberline">
                <Mark/>
                <span class="brand-name">"Emberline"</span>
            </a>
            {start}
            <div class="top-bar-end">
                {end}
                <ConnectionStatus/>
                <ThemeSwitch/>
                // Shown where the document says that somebody is signed in.
                <form class="sign-out" method="post" action="/sign-out">
                    <button class="icon-button" type="submit" aria-label="Sign out" title="Sign out">{Icon::SignOut.view()}</button>
                </form>
            </div>
        </header>
    }
}
