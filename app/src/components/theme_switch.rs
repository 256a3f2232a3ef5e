//! The switch between dark, light and the system's theme.

use crate::icons::Icon;
use crate::{
    serverfns::theme::{SetTheme, set_theme},
    theme::Theme,
    view::{Erase, words},
};
use leptos::{ev::SubmitEvent, prelude::*, server_fn::ServerFn, task::spawn_local};
use protocol::url_path;

/// Three buttons of one form. With script the colours change at once and the request only stores the choice; without
/// script the form is posted and the page is rendered again.
#[component]
pub fn ThemeSwitch() -> impl IntoView {
    let chosen = RwSignal::new(Theme::current());
    let choose = move |theme: Theme| {
        chosen.set(theme);
        #[cfg(feature = "browser")]
        theme.show();
        spawn_local(async move {
            // The choice is already shown; a failure only means that it is not stored.
            _ = set_theme(theme).await;
        });
    };
    let button = move |theme: Theme| {
        let (label, icon) = match theme {
            Theme::System => ("Match system", Icon::System),
            Theme::Dark => ("Dark", Icon::Dark),
            Theme::Light => ("Light", Icon::Light),
        };
        view! {
            <button
                class="theme-button"
                type="submit"
                name="theme"
                value=theme.as_str()
                title=label
                aria-label=label
                aria-pressed=words(move || (chosen.get() == theme).to_string())
                on:click=move |_| choose(theme)
            >
                {icon.view()}
            </button>
        }
        .erase()
    };
    view! {
        <div class="theme-switch" role="group" aria-label="Colours">
            <form method="post" action=url_path(SetTheme::url()) on:submit=|event: SubmitEvent| event.prevent_default()>
                {Theme::ALL.map(button).into_iter().collect::<Vec<_>>()}
            </form>
        </div>
    }
    .erase()
}
