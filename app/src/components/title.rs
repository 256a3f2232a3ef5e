//! The window's title.

use leptos::prelude::*;

/// What the window is called: this, and the product's name.
#[component]
pub fn PageTitle(
    /// The page's own part.
    #[prop(into)]
    text: Signal<String>,
) -> impl IntoView {
    let whole = move || format!("{} · Emberline", text.get());
    // The browser needs of leptos_meta only this one line, at a fortieth of its code.
    #[cfg(not(feature = "ssr"))]
    Effect::new(move |_| document().set_title(&whole()));
    // It renders to nothing, yet both sides must leave the same mark where it stands.
    #[cfg(feature = "ssr")]
    {
        (view! { <leptos_meta::Title text=whole/> }, ())
    }
}
