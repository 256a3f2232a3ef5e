//! The switch between dark, light and the system's choice.

use super::Icon;
use crate::{
    serverfns::theme::{SetTheme, set_theme},
    theme::Theme,
};
use leptos::{ev::SubmitEvent, prelude::*, server_fn::ServerFn, task::spawn_local};
use protocol::url_path;

/// Three buttons of one form: without script it is posted and the page comes back in its new colours; with
/// script the colours change at once and the post only keeps the choice.
#[component]
pub fn ThemeSwitch() -> impl IntoView {
    let chosen = RwSignal::new(Theme::current());
    let choose = move |theme: Theme| {
        chosen.set(theme);
        #[cfg(feature = "browser")]
        theme.show();
        spawn_local(async move {
            // A choice that is not kept is still seen.
            _ = set_theme(theme).await;
        });
    };
    let button = move |theme: Theme| {
        let (label, icon) = match theme {
            Theme::System => ("As the system", Icon::System),
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
                aria-pressed=move || if chosen.get() == theme { "true" } else { "false" }
                on:click=move |_| choose(theme)
            >
                {icon.view()}
            </button>
        }
    };
    view! {
        <div class="theme-switch" role="group" aria-label="Colours">
            <form method="post" action=url_path(SetTheme::url()) on:submit=|event: SubmitEvent| event.prevent_default()>
                {Theme::ALL.map(|theme| button(theme).into_any()).into_iter().collect::<Vec<_>>()}
            </form>
        </div>
    }
}
