//! The document around the page, as the server sends it.

use crate::{App, page::Content, theme::Theme, view::in_textarea};
use leptos::prelude::*;
use protocol::{base_path, url_path};

/// In the context of a page that a person has signed in for: it offers to sign out.
#[derive(Clone, Copy, Debug)]
pub struct SignedIn;

fn signed_in() -> Option<&'static str> {
    use_context::<SignedIn>().map(|_| "")
}

/// What the browser's half makes its addresses with.
fn base() -> Option<&'static str> {
    Some(base_path()).filter(|base| !base.is_empty())
}

/// The whole document. The theme stands in its first tag, from the cookie, so that nothing flashes; every
/// inline script carries the request's nonce (`leptos::nonce`), so that a policy of
/// `script-src 'nonce-…' 'wasm-unsafe-eval'` lets it run. It needs no inline style.
///
/// Erased: the page's type is deep, and the binary would compile all of its rendering again
/// (100 s of each build on two cores).
pub fn shell(options: LeptosOptions) -> AnyView {
    let css = url_path(&format!("/{}/{}.css", options.site_pkg_dir, options.output_name));
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=Theme::current().as_str() data-base=base() data-signed-in=signed_in()>
            <head>
                <meta charset="utf-8"/>
                // As raw text: the mark that Leptos puts behind a child would be a part of the title.
                <title inner_html=in_textarea(&expect_context::<Content>().title())></title>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="dark light"/>
                <meta name="description" content="A self-hosted studio for picture sequences made with Stable Diffusion XL."/>
                <link rel="icon" href=url_path("/favicon.ico") sizes="32x32"/>
                <link rel="icon" href=url_path("/favicon.svg") type="image/svg+xml"/>
                // By this id `cargo leptos watch` finds and refreshes it.
                <link id="leptos" rel="stylesheet" href=css/>
                <AutoReload options=options.clone()/>
                <HydrationScripts options root=base_path()/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
    .into_any()
}
