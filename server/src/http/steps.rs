//! `/media/{key}/steps/{step}.png`: pictures of a take's steps, from its trace.

use super::{
    etag,
    media::{Version, caching, insert, shortened, with_headers},
    openapi::{About, Api},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, Response, StatusCode, header},
    response::IntoResponse,
};
use engine::Media;
use protocol::Problem;
use std::{io, sync::Arc};

/// The route with its summary.
pub fn routes(api: Api) -> Api {
    api.get(
        "/media/{key}/steps/{name}",
        get_step,
        About::new(
            "media",
            "Returns the picture of a step's estimate, <step>.png. With the ?v= of the trace's list, the response is immutable.",
        )
        .answers(&["image/png"])
        .also(&[(304, "Not modified.")]),
    )
}

async fn get_step(
    State(state): State<AppState>,
    Path((key, name)): Path<(String, String)>,
    version: Result<Query<Version>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response<Body>, ApiError> {
    let unknown = Problem::NotFound(format!("step {:?} of picture {:?}", shortened(&name), shortened(&key)));
    let step = name.strip_suffix(".png").filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let Some(step) = step.and_then(|text| text.parse().ok()) else { return Err(unknown.into()) };
    let media = Arc::clone(state.services.engine().media());
    let version = version.ok().and_then(|Query(Version { v })| v);
    let read = tokio::task::spawn_blocking(move || answer(&media, &key, step, version.as_deref(), &headers));
    match read.await {
        Ok(Ok(Some(response))) => Ok(response),
        Ok(Ok(None)) => Err(unknown.into()),
        Ok(Err(trace::Error::Io(error))) if error.kind() == io::ErrorKind::NotFound => Err(unknown.into()),
        Ok(Err(error)) => Err(local_studio::step_problem(&error).into()),
        Err(_) => Err(Problem::Internal.into()),
    }
}

/// None if the trace has no picture of this step. A record of a trace never changes, so the trace's random number and the
/// step are its tag.
fn answer(
    media: &Media,
    key: &str,
    step: u32,
    version: Option<&str>,
    headers: &HeaderMap,
) -> Result<Option<Response<Body>>, trace::Error> {
    let mut trace = media.open_trace(key)?;
    let run = format!("{:016x}", trace.header().run);
    let tag = format!("\"{run}.{step}\"");
    let caching = caching(version, &run);
    let is_there = trace.pictures().any(|(at, _)| at == step);
    if is_there && etag::matches(headers, &tag) {
        return Ok(Some(with_headers(StatusCode::NOT_MODIFIED.into_response(), &tag, caching)));
    }
    Ok(trace.picture(step)?.map(|png| {
        let mut response = png.into_response();
        insert(&mut response, header::CONTENT_TYPE, "image/png");
        with_headers(response, &tag, caching)
    }))
}
