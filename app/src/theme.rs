//! The theme: dark, light, or the system's. It is stored in a cookie, so that the server renders it.

use serde::{Deserialize, Serialize};

/// The cookie's name.
pub const COOKIE: &str = "theme";

/// The chosen theme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the browser's `prefers-color-scheme`.
    #[default]
    System,
    /// Always dark.
    Dark,
    /// Always light.
    Light,
}

impl Theme {
    /// Every theme, in the order of the switch.
    pub const ALL: [Self; 3] = [Self::System, Self::Dark, Self::Light];

    /// The value of the cookie and of `<html data-theme>`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Dark => "dark",
            Self::Light => "light",
        }
    }

    /// The theme of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.as_str() == name)
    }

    /// The theme in a `Cookie` header or `document.cookie`.
    pub fn from_cookies(cookies: &str) -> Option<Self> {
        cookies
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == COOKIE)
            .and_then(|(_, value)| Self::from_name(value))
    }

    /// The `Set-Cookie` header that stores it for a year.
    pub fn cookie(self) -> String {
        let path = protocol::cookie_path();
        format!("{COOKIE}={}; Path={path}; Max-Age=31536000; SameSite=Lax", self.as_str())
    }

    /// The theme of the request (server) or of the page (browser).
    pub fn current() -> Self {
        #[cfg(feature = "ssr")]
        let theme = leptos::context::use_context::<http::request::Parts>().and_then(|request| {
            let cookies = request.headers.get_all(http::header::COOKIE);
            cookies.iter().find_map(|header| Self::from_cookies(header.to_str().ok()?))
        });
        #[cfg(feature = "hydrate")]
        let theme = root().and_then(|html| Self::from_name(&html.dataset().get("theme")?));
        // No server has rendered the page: reads the cookie and applies the theme.
        #[cfg(all(feature = "csr", not(feature = "hydrate")))]
        let theme = {
            let document = leptos::prelude::document();
            let cookies = js_sys::Reflect::get(&document, &"cookie".into()).ok().and_then(|text| text.as_string());
            let theme = cookies.as_deref().and_then(Self::from_cookies);
            theme.unwrap_or_default().show();
            theme
        };
        #[cfg(not(any(feature = "ssr", feature = "browser")))]
        let theme = None;
        theme.unwrap_or_default()
    }

    /// Applies the theme to the page.
    #[cfg(feature = "browser")]
    pub fn show(self) {
        set_root_data(COOKIE, self.as_str());
    }
}

/// Sets `<html data-NAME>`, which the style sheet reads.
#[cfg(feature = "browser")]
pub fn set_root_data(name: &str, value: &str) {
    if let Some(html) = root() {
        _ = html.dataset().set(name, value);
    }
}

/// Does nothing on the server.
#[cfg(not(feature = "browser"))]
pub fn set_root_data(_: &str, _: &str) {}

/// The `<html>` element.
#[cfg(feature = "browser")]
pub fn root() -> Option<web_sys::HtmlElement> {
    use leptos::wasm_bindgen::JsCast;
    leptos::prelude::document().document_element()?.dyn_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others_and_only_by_its_whole_name() {
        assert_eq!(Theme::from_cookies("a=1; theme=dark; b=2"), Some(Theme::Dark));
        assert_eq!(Theme::from_cookies("theme=light"), Some(Theme::Light));
        for none in ["", "theme", "mytheme=dark", "theme=purple", "theme=dark\"><script>"] {
            assert_eq!(Theme::from_cookies(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_set_reads_back() {
        for theme in Theme::ALL {
            let cookie = theme.cookie();
            assert_eq!(Theme::from_cookies(cookie.split_once(';').expect("has attributes").0), Some(theme));
        }
    }
}
