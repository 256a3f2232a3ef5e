//! `/media/{key}.png`: pictures. The key is random, so that nobody can guess an address.

use super::{
    etag,
    openapi::{About, Api, range_schema},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use engine::OpenPicture;
use protocol::Problem;
use schemars::JsonSchema;
use serde::Deserialize;
use std::{
    io::{Read, Seek, SeekFrom},
    ops::RangeInclusive,
};

/// The route with its summary.
pub fn routes(api: Api) -> Api {
    api.get(
        "/media/{name}",
        get_picture,
        About::new(
            "media",
            "Returns a picture, <key>.png. With ?v=<etag>, the response is immutable if the tag matches. The response's header \
             Emberline-Step says how far a forming picture is, <attempt>.<step>, 0.0 before the first step.",
        )
        .answers(&["image/png"])
        .also(&[(206, "The requested range."), (304, "Not modified."), (416, "The range is beyond the end.")])
        .header("Range", "A range of bytes.", range_schema),
    )
}

/// How far a forming picture is: `<attempt>.<step>`, 0.0 before the first step.
const STEP: header::HeaderName = header::HeaderName::from_static("emberline-step");

/// `?v=<etag>` asks for these exact bytes, which are then immutable. Any other query only avoids the browser's cache.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Version {
    pub(super) v: Option<String>,
}

/// Headers and body come from one open file, or from memory, so they always match. 304 if the client has these bytes.
async fn get_picture(
    State(state): State<AppState>,
    Path(name): Path<String>,
    version: Result<Query<Version>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response<Body>, ApiError> {
    let unknown = || ApiError::from(Problem::NotFound(format!("picture {:?}", shortened(&name))));
    let key = name.strip_suffix(".png").ok_or_else(unknown)?.to_owned();
    let media = std::sync::Arc::clone(state.services.engine().media());
    let version = version.ok().and_then(|Query(Version { v })| v);
    let shared = state.services.shared_picture(&key, version.as_deref()).await.map_err(|problem| match problem {
        Problem::NotFound(_) => unknown(),
        other => other.into(),
    })?;
    let answer = tokio::task::spawn_blocking(move || {
        let picture = shared.map_or_else(|| media.picture(&key), Ok)?;
        answer(picture, version.as_deref(), &headers)
    });
    match answer.await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Err(unknown()),
        Ok(Err(error)) => {
            tracing::error!(%error, "cannot read a picture");
            Err(Problem::Internal.into())
        }
        Err(_) => Err(Problem::Internal.into()),
    }
}

fn answer(picture: OpenPicture, version: Option<&str>, headers: &HeaderMap) -> std::io::Result<Response<Body>> {
    let formed = picture.formed;
    let mut response = content(picture, version, headers)?;
    if let Some(formed) = formed {
        insert(&mut response, STEP, &formed.to_string());
    }
    Ok(response)
}

fn content(mut picture: OpenPicture, version: Option<&str>, headers: &HeaderMap) -> std::io::Result<Response<Body>> {
    let tag = format!("\"{}\"", picture.etag);
    let caching = caching(version, &picture.etag);
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if etag::matches(headers, &tag) {
        return Ok(with_headers(StatusCode::NOT_MODIFIED.into_response(), &tag, caching));
    }
    // `If-Range`: a range of a newer picture must not be joined to the part of an older one that the client has.
    let same = text(header::IF_RANGE).is_none_or(|given| given == tag);
    let range = text(header::RANGE).filter(|_| same).and_then(|range| requested(range, picture.length));
    let mut response = match range {
        None => {
            let mut bytes = Vec::with_capacity(usize::try_from(picture.length).unwrap_or_default());
            picture.bytes.read_to_end(&mut bytes)?;
            bytes.into_response()
        }
        Some(Err(Unsatisfiable)) => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            insert(&mut response, header::CONTENT_RANGE, &format!("bytes */{}", picture.length));
            response
        }
        Some(Ok(range)) => {
            let (start, end) = (*range.start(), *range.end());
            let mut bytes = Vec::new();
            picture.bytes.seek(SeekFrom::Start(start))?;
            picture.bytes.take(end - start + 1).read_to_end(&mut bytes)?;
            let mut response = (StatusCode::PARTIAL_CONTENT, bytes).into_response();
            insert(&mut response, header::CONTENT_RANGE, &format!("bytes {start}-{end}/{}", picture.length));
            response
        }
    };
    insert(&mut response, header::CONTENT_TYPE, "image/png");
    insert(&mut response, header::ACCEPT_RANGES, "bytes");
    Ok(with_headers(response, &tag, caching))
}

/// `Cache-Control` of a picture with this ETag, requested with `?v=<version>`.
pub(super) fn caching(version: Option<&str>, etag: &str) -> &'static str {
    match version == Some(etag) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    }
}

pub fn with_headers(mut response: Response<Body>, etag: &str, caching: &str) -> Response<Body> {
    insert(&mut response, header::ETAG, etag);
    insert(&mut response, header::CACHE_CONTROL, caching);
    response
}

pub fn insert(response: &mut Response<Body>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// A range past the end.
#[derive(Debug, PartialEq, Eq)]
struct Unsatisfiable;

/// The range of a `Range` header. `None` for several ranges or another unit, which are answered with the whole file.
fn requested(header: &str, length: u64) -> Option<Result<RangeInclusive<u64>, Unsatisfiable>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let end = length.checked_sub(1);
    let (first, last) = (first.trim(), last.trim());
    let range = if first.is_empty() {
        let count: u64 = last.parse().ok()?;
        (count > 0).then(|| length.saturating_sub(count)).zip(end)
    } else {
        let start: u64 = first.parse().ok()?;
        let last: u64 = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
        if last < start {
            return None;
        }
        end.filter(|end| start <= *end).map(|end| (start, last.min(end)))
    };
    Some(range.map(|(start, end)| start..=end).ok_or(Unsatisfiable))
}

pub fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_rfc_9110() {
        let of = |header| requested(header, 100);
        assert_eq!(of("bytes=0-9"), Some(Ok(0..=9)));
        assert_eq!(of("bytes=90-"), Some(Ok(90..=99)));
        assert_eq!(of("bytes=90-1000"), Some(Ok(90..=99)));
        assert_eq!(of("bytes=-10"), Some(Ok(90..=99)));
        assert_eq!(of("bytes=-1000"), Some(Ok(0..=99)));
        assert_eq!(of("bytes=100-"), Some(Err(Unsatisfiable)));
        assert_eq!(of("bytes=-0"), Some(Err(Unsatisfiable)));
        for whole in ["bytes=9-0", "bytes=0-1,5-6", "lines=1-2", "bytes=", "bytes=a-b", "bytes=-"] {
            assert_eq!(of(whole), None, "{whole}");
        }
        assert_eq!(requested("bytes=0-", 0), Some(Err(Unsatisfiable)));
    }
}
