//! The HTML document around the page, rendered by the server.

use crate::{
    App,
    page::Content,
    theme::Theme,
    view::{Erase, in_textarea},
};
use leptos::prelude::*;
use protocol::{base_path, url_path};

/// Context of a page behind a sign-in: the page then has a button to sign out.
#[derive(Clone, Copy, Debug)]
pub struct SignedIn;

fn signed_in() -> Option<&'static str> {
    use_context::<SignedIn>().map(|_| "")
}

/// The base path, for URLs that the WASM builds.
fn base() -> Option<&'static str> {
    Some(base_path()).filter(|base| !base.is_empty())
}

/// The HTML document. Its first tag has the theme of the cookie, so that the page does not flash. Inline scripts have the
/// request's nonce (`leptos::nonce`), so that the policy `script-src 'nonce-…' 'wasm-unsafe-eval'` allows them. There
/// are no inline styles.
///
/// Returns an erased view: the page's type is deep, and the crate `server` would compile its rendering again (100 s of
/// each build on two cores).
pub fn shell(options: LeptosOptions) -> AnyView {
    let css = url_path(&format!("/{}/{}.css", options.site_pkg_dir, options.output_name));
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=Theme::current().as_str() data-base=base() data-signed-in=signed_in()>
            <head>
                <meta charset="utf-8"/>
                // As `inner_html`: the marker that Leptos adds after a child would be part of the title.
                <title inner_html=in_textarea(&expect_context::<Content>().title())></title>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="dark light"/>
                <meta name="description" content="A self-hosted studio for picture sequences made with Stable Diffusion XL."/>
                <link rel="icon" href=url_path("/favicon.ico") sizes="32x32"/>
                <link rel="icon" href=url_path("/favicon.svg") type="image/svg+xml"/>
                // `cargo leptos watch` finds the style sheet by this id.
                <link id="leptos" rel="stylesheet" href=css/>
                <AutoReload options=options.clone()/>
                <HydrationScripts options root=base_path()/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
    .erase()
}
