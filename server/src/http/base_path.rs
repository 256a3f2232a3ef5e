//! Serves everything under a path, for a proxy that serves other things too. The proxy passes the path on unchanged, and every
//! address that the server writes starts with it (`protocol::url_path`).

use crate::problem::ApiError;
use axum::{
    Router,
    extract::Request,
    http::{
        StatusCode, Uri,
        uri::{Parts, PathAndQuery},
    },
    response::{IntoResponse, Redirect, Response},
};
use protocol::Problem;
use std::str::FromStr;
use tower::ServiceExt;

/// `--base-path`: `/studio`, or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// The path with a static lifetime, for [`protocol::set_base_path`].
    pub fn leak(self) -> &'static str {
        self.0.leak()
    }
}

impl FromStr for BasePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.strip_suffix('/').unwrap_or(text);
        if path.is_empty() {
            return Ok(Self::default());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        let is_segment = |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(plain);
        match path.strip_prefix('/') {
            Some(rest) if path.len() <= 200 && rest.split('/').all(is_segment) => Ok(Self(path.to_owned())),
            _ => Err(format!(
                "{text:?}: must begin with / and consist of names of ASCII letters, digits, and -._~: /studio, 200 \
                 characters at most"
            )),
        }
    }
}

/// Nests the routes under the base path, which is removed from the address before routing. `/` redirects there, and everything
/// else outside is 404.
pub fn under(base: &'static str, routes: Router) -> Router {
    if base.is_empty() {
        return routes;
    }
    Router::new().fallback(move |mut request: Request| async move {
        match within(base, request.uri()) {
            Some(Ok(uri)) => {
                *request.uri_mut() = uri;
                match routes.oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
            Some(Err(query)) => to_base(base, query.as_deref()),
            None if request.uri().path() == "/" => to_base(base, request.uri().query()),
            None => {
                let why = format!("there is nothing at this path: this server is under {base}/");
                ApiError::with_status(StatusCode::NOT_FOUND, Problem::Conflict(why)).into_response()
            }
        }
    })
}

/// The address relative to the base path. `Err` with the query if the path is the base path without its trailing slash, which
/// needs a redirect because relative addresses would resolve differently. `None` outside.
fn within(base: &str, uri: &Uri) -> Option<Result<Uri, Option<String>>> {
    let rest = uri.path().strip_prefix(base)?;
    if rest.is_empty() {
        return Some(Err(uri.query().map(str::to_owned)));
    }
    if !rest.starts_with('/') {
        return None;
    }
    let path = uri.query().map_or_else(|| rest.to_owned(), |query| format!("{rest}?{query}"));
    let mut parts: Parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok().map(Ok)
}

/// A temporary redirect: browsers would keep a permanent one even after the server moves to another path.
fn to_base(base: &str, query: Option<&str>) -> Response {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Redirect::temporary(&format!("{base}/{query}")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_plain_names() {
        let parse = |text: &str| text.parse::<BasePath>().map(|BasePath(path)| path);
        assert_eq!(parse("/studio/").as_deref(), Ok("/studio"));
        assert_eq!(parse("/a/b-c_d.e~f").as_deref(), Ok("/a/b-c_d.e~f"));
        assert_eq!((parse("/").as_deref(), parse("").as_deref()), (Ok(""), Ok("")));
        for bad in ["studio", "//", "/a//b", "/a/../b", "/.", "/a b", "/ä", "/a%20b", "/a?b", "/a\"b", "http://a/b"] {
            parse(bad).expect_err(bad);
        }
        parse(&format!("/{}", "a".repeat(200))).expect_err("too long");
    }

    #[test]
    fn paths_under_the_base_lose_it() {
        let at = |uri: &str| match within("/studio", &uri.parse().expect("an address")) {
            Some(Ok(uri)) => uri.to_string(),
            Some(Err(query)) => format!("redirect {query:?}"),
            None => "outside".to_owned(),
        };
        assert_eq!(at("/studio/"), "/");
        assert_eq!(at("/studio/projects/7?x=/studio/"), "/projects/7?x=/studio/");
        assert_eq!(at("http://127.0.0.1/studio/a%2Fb"), "http://127.0.0.1/a%2Fb");
        assert_eq!(at("/studio/studio/x"), "/studio/x");
        assert_eq!(at("/studio?a=1"), "redirect Some(\"a=1\")");
        for outside in ["/", "/studiox", "/stud", "/projects/7", "/Studio/", "/x/studio/"] {
            assert_eq!(at(outside), "outside", "{outside}");
        }
    }
}
