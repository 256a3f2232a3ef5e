//! Extractors, with errors that name the field and its limit.

pub use super::upload::{Picture, PictureFile};

use super::strict::Strict;
use crate::problem::ApiError;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{StatusCode, request::Parts},
};
use protocol::{ExportId, FrameId, LibraryId, Problem, ProjectId, StyleId, TakeId, TaskId, WorkerId};
use serde::de::{DeserializeOwned, IgnoredAny};
use std::str::FromStr;

/// A request body that can describe the values of its fields.
pub trait Body: DeserializeOwned {
    /// The rule for a field, to be shown to people. `None` for an unknown field.
    fn expected(field: &str) -> Option<String>;
}

macro_rules! bodies {
    ($($body:ty => $expected:path),+ $(,)?) => {$(
        impl Body for $body {
            fn expected(field: &str) -> Option<String> {
                $expected(field)
            }
        }
    )+};
}

bodies! {
    protocol::NewProject => protocol::project::expected,
    protocol::NewStyle => protocol::style::expected,
    protocol::StyleImport => protocol::style::expected,
    protocol::StylePatch => protocol::style::expected,
    protocol::ProjectPatch => protocol::project::expected,
    protocol::NewGeneration => protocol::generation::expected,
    protocol::FramePatch => protocol::frame::expected,
    protocol::TakePatch => protocol::frame::expected,
    protocol::SettingsPatch => protocol::settings::expected,
    protocol::LibraryPatch => protocol::library::expected,
    protocol::QueueOrder => order_expected,
    protocol::NewExport => protocol::export::expected,
    protocol::NewBranch => protocol::task_patch_expected,
    protocol::TaskPatch => protocol::task_patch_expected,
}

fn order_expected(field: &str) -> Option<String> {
    field.starts_with("task_ids").then(|| "must be a list of ids of waiting tasks".to_owned())
}

/// A JSON body.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: Body> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = whole_body(request, state).await?;
        let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(Strict(&mut deserializer))
            .map_err(|error| json_problem::<T>(&error, &bytes))?;
        deserializer.end().map_err(|error| not_json(&error))?;
        Ok(Self(value))
    }
}

async fn whole_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| ApiError::with_status(rejection.status(), Problem::Conflict(rejection.body_text())))
}

fn json_problem<T: Body>(error: &serde_path_to_error::Error<serde_json::Error>, bytes: &[u8]) -> ApiError {
    let (path, cause) = (error.path().to_string(), error.inner());
    // serde_json reports a number in place of an enum as a syntax error.
    if !cause.is_data() && serde_json::from_slice::<IgnoredAny>(bytes).is_err() {
        return not_json(cause);
    }
    match T::expected(&path) {
        Some(rule) => Problem::invalid(path, rule),
        // A missing or unknown field, or not an object: serde's message names it.
        None => Problem::invalid("body", cause.to_string()),
    }
    .into()
}

fn not_json(cause: &serde_json::Error) -> ApiError {
    ApiError::with_status(StatusCode::BAD_REQUEST, Problem::invalid("body", format!("is not JSON: {cause}")))
}

/// The `{id}` in a path. 404 if it is not an id.
#[derive(Clone, Copy, Debug)]
pub struct IdPath<T>(pub T);

/// An id in a path.
pub trait PathId: FromStr {
    /// The kind of thing, to be shown to people.
    const OF: &'static str;
}

macro_rules! path_ids {
    ($($id:ty => $of:literal),+ $(,)?) => {$(
        impl PathId for $id {
            const OF: &'static str = $of;
        }
    )+};
}

path_ids! {
    ProjectId => "project",
    FrameId => "frame",
    TaskId => "task",
    StyleId => "style",
    TakeId => "take",
    LibraryId => "file",
    ExportId => "export",
    WorkerId => "worker",
}

impl<S: Send + Sync, T: PathId> FromRequestParts<S> for IdPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text): Path<String> = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::with_status(rejection.status(), Problem::Conflict(rejection.body_text())))?;
        text.parse().map(Self).map_err(|_| Problem::NotFound(format!("{} {text}", T::OF)).into())
    }
}

/// The field `Idempotency-Key`, if the request has it.
#[derive(Clone, Debug)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let key = parts.headers.get("idempotency-key").map(|value| value.to_str().map(str::to_owned)).transpose();
        Ok(Self(key.map_err(|_| Problem::invalid("Idempotency-Key", "must be ASCII text"))?))
    }
}

/// The query parameters. 400 if they cannot be parsed.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                let problem = Problem::invalid("query", rejection.body_text());
                Err(ApiError::with_status(StatusCode::BAD_REQUEST, problem))
            }
        }
    }
}
