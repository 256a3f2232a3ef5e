//! The document around the page, as the server sends it.

use crate::{App, theme::Theme};
use leptos::prelude::*;
use leptos_meta::{HashedStylesheet, MetaTags};

/// The whole document. The theme stands in its first tag, from the cookie, so that nothing flashes; every
/// inline script carries the request's nonce (`leptos::nonce`), so that a policy of
/// `script-src 'nonce-…' 'wasm-unsafe-eval'` lets it run. It needs no inline style.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=Theme::current().as_str()>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="dark light"/>
                <meta name="description" content="A self-hosted studio for picture sequences made with Stable Diffusion XL."/>
                <link rel="icon" href="/favicon.ico" sizes="32x32"/>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                <HashedStylesheet id="leptos" options=options.clone()/>
                <AutoReload options=options.clone()/>
                <HydrationScripts options/>
                <MetaTags/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}
