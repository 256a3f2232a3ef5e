//! What stands in the address behind its question mark.

/// The value of a field of this request's, or this page's, address.
pub fn value(name: &str) -> Option<String> {
    #[cfg(feature = "ssr")]
    {
        let request = leptos::context::use_context::<http::request::Parts>()?;
        let fields = form_urlencoded::parse(request.uri.query()?.as_bytes());
        fields.into_iter().find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
    }
    #[cfg(feature = "browser")]
    {
        let search = leptos::prelude::window().location().search().ok()?;
        web_sys::UrlSearchParams::new_with_str(&search).ok()?.get(name)
    }
    #[cfg(not(any(feature = "ssr", feature = "browser")))]
    {
        _ = name;
        None
    }
}

/// Puts the refusal of a form that was posted without script into the context: it comes back in the address of
/// the page that the form stood on.
pub fn provide_refusal() {
    if let (Some(path), Some(error)) = (value("__path"), value("__err")) {
        leptos::context::provide_context(leptos::server::ServerActionError::new(&path, &error));
    }
}
