//! Serves the front end's files, embedded in the binary or from `--site-root`.

use super::etag;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header},
    response::IntoResponse,
};
use tower::ServiceExt;
use tower_http::services::ServeDir;

/// Encodings for which the bundler writes a compressed copy of each file, best first.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// File names have no hash, so the browser revalidates each time. A match costs a 304 without a body.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// The response with the file at the request's path, or `None`.
pub async fn find(site_root: &str, uri: &Uri, headers: &HeaderMap) -> Option<Response<Body>> {
    if site_root.is_empty() { embedded(uri.path(), headers) } else { from_disk(site_root, uri, headers).await }
}

fn embedded(path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
    // The compressed copies have no address of their own.
    let plain = site::find(path).filter(|_| !ENCODINGS.iter().any(|(_, suffix)| path.ends_with(suffix)))?;
    // Several lines are one list.
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let accepted = lines.collect::<Vec<_>>().join(",");
    let (file, encoding) = ENCODINGS
        .iter()
        .filter(|(name, _)| accepts(&accepted, name))
        .find_map(|(name, suffix)| Some((site::find(&format!("{path}{suffix}"))?, Some(*name))))
        .unwrap_or((plain, None));

    let unchanged = etag::matches(headers, file.etag);
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, content_type(path))], file.bytes).into_response()
    };
    let out = response.headers_mut();
    out.insert(header::ETAG, HeaderValue::from_static(file.etag));
    out.insert(header::CACHE_CONTROL, NO_CACHE);
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding.filter(|_| !unchanged) {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Some(response)
}

/// Whether an `Accept-Encoding` header lists this encoding with a weight above 0.
fn accepts(accept_encoding: &str, encoding: &str) -> bool {
    accept_encoding.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let refused = parts.any(|p| p.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0)));
        named && !refused
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "ico" => "image/x-icon",
        "js" => "text/javascript; charset=utf-8",
        "json" | "webmanifest" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

async fn from_disk(site_root: &str, uri: &Uri, headers: &HeaderMap) -> Option<Response<Body>> {
    // `/` is a page, not the index of the folder.
    if uri.path().ends_with('/') {
        return None;
    }
    let mut request = Request::builder().uri(uri).body(Body::empty()).ok()?;
    *request.headers_mut() = headers.clone();
    let files =
        ServeDir::new(site_root).precompressed_br().precompressed_gzip().append_index_html_on_directories(false);
    let mut response = files.oneshot(request).await.ok()?;
    response.headers_mut().insert(header::CACHE_CONTROL, NO_CACHE);
    (response.status() != StatusCode::NOT_FOUND).then(|| response.map(Body::new))
}

#[cfg(test)]
mod tests {
    use super::accepts;

    #[test]
    fn a_weight_of_zero_refuses() {
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(accepts("BR;q=0.5", "br"));
        assert!(!accepts("gzip, br;q=0", "br"));
        assert!(!accepts("", "gzip"));
        assert!(!accepts("brotli", "br"));
    }
}
