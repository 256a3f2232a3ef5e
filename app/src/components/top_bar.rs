//! The bar at the top of every page.

use super::{connection_status::ConnectionStatus, theme_switch::ThemeSwitch};
use crate::icons::{Icon, Mark};
use crate::view::{Erase, home_link};
use leptos::prelude::*;
use protocol::{ProjectId, url_path};

/// The product's name as a link to the projects, the page's own parts, the connection status, the theme switch.
#[component]
pub fn TopBar(
    /// The project whose page it is on.
    #[prop(optional)]
    project: Option<ProjectId>,
    /// After the name.
    #[prop(optional)]
    start: Option<AnyView>,
    /// Before the connection.
    #[prop(optional)]
    end: Option<AnyView>,
) -> impl IntoView {
    let brand = view! {
        <Mark/>
        <span class="brand-name">"Emberline"</span>
    }
    .erase();
    let library = url_path(&project.map_or_else(|| "/library".to_owned(), |id| format!("/library?project={id}")));
    view! {
        <header class="top-bar">
            {home_link("brand", Some("Emberline"), brand)}
            {start}
            <div class="top-bar-end">
                <a class="icon-button" href=library aria-label="Library" title="Library">{Icon::Library.view()}</a>
                {end}
                <ConnectionStatus/>
                <ThemeSwitch/>
                // Shown by the style sheet when `<html>` has `data-signed-in`.
                <form class="sign-out" method="post" action=url_path("/sign-out")>
                    <button class="icon-button" type="submit" aria-label="Sign out" title="Sign out">{Icon::SignOut.view()}</button>
                </form>
            </div>
        </header>
    }    .erase()
}
