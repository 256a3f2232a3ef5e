//! The query of the address.

/// The value of a query parameter of the request (server) or the page (browser).
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

/// The whole query of the page's address, without `?`.
#[cfg(all(feature = "csr", not(feature = "hydrate")))]
pub fn text() -> String {
    let search = leptos::prelude::window().location().search().unwrap_or_default();
    search.strip_prefix('?').unwrap_or_default().to_owned()
}

/// Fields as the query of an address, without `?`.
pub fn encode(fields: &[(&str, &str)]) -> String {
    #[cfg(feature = "ssr")]
    {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
    }
    #[cfg(not(feature = "ssr"))]
    {
        // Both encode as forms do, so that the browser builds the addresses that the server has rendered.
        #[cfg(feature = "browser")]
        if let Ok(query) = web_sys::UrlSearchParams::new() {
            fields.iter().for_each(|(name, value)| query.append(name, value));
            return query.to_string().into();
        }
        _ = fields;
        String::new()
    }
}

/// Provides the error of a form that was posted without script to the context. The server redirects back to the form's
/// page with the error in the address.
pub fn provide_refusal() {
    if let (Some(path), Some(error)) = (value("__path"), value("__err")) {
        leptos::context::provide_context(leptos::server::ServerActionError::new(&path, &error));
    }
}
