//! What handlers take from a request, with errors that name the field and its limit.

use super::problem::ApiError;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{StatusCode, request::Parts},
};
use protocol::{NewProject, Problem, ProjectId, ProjectPatch};
use serde::de::DeserializeOwned;

/// A request body that can say what one of its fields takes.
pub trait Body: DeserializeOwned {
    /// The field's rule for people, where there is such a field.
    fn expected(field: &str) -> Option<String>;
}

impl Body for NewProject {
    fn expected(field: &str) -> Option<String> {
        protocol::project::expected(field)
    }
}

impl Body for ProjectPatch {
    fn expected(field: &str) -> Option<String> {
        protocol::project::expected(field)
    }
}

/// A JSON body.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: Body> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| ApiError::with_status(rejection.status(), Problem::Conflict(rejection.body_text())))?;
        let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| json_problem::<T>(&error))?;
        deserializer.end().map_err(|error| not_json(&error))?;
        Ok(Self(value))
    }
}

fn json_problem<T: Body>(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let (path, cause) = (error.path().to_string(), error.inner());
    if !cause.is_data() {
        return not_json(cause);
    }
    match T::expected(&path) {
        Some(rule) => Problem::invalid(path, rule),
        // A missing or unknown field, or no object at all: serde's words name it.
        None => Problem::invalid("body", cause.to_string()),
    }
    .into()
}

fn not_json(cause: &serde_json::Error) -> ApiError {
    ApiError::with_status(StatusCode::BAD_REQUEST, Problem::invalid("body", format!("is not JSON: {cause}")))
}

/// The `{id}` of a project's address; whatever cannot be an id names no project.
#[derive(Clone, Copy, Debug)]
pub struct ProjectPath(pub ProjectId);

impl<S: Send + Sync> FromRequestParts<S> for ProjectPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text): Path<String> = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::with_status(rejection.status(), Problem::Conflict(rejection.body_text())))?;
        text.parse().map(Self).map_err(|_| Problem::NotFound(format!("project {text}")).into())
    }
}
