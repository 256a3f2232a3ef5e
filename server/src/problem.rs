//! Turns errors into responses: `protocol::Problem` becomes RFC 9457 `application/problem+json`, here and nowhere else. Errors
//! are logged where they are detected, not here.

use axum::{
    body::Body,
    http::{Method, Response, StatusCode, Uri, header},
    response::IntoResponse,
};
use protocol::{FieldError, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use std::any::Any;

/// `Retry-After` of a 429 and a 503, seconds.
const RETRY_AFTER_S: header::HeaderValue = header::HeaderValue::from_static("5");

/// A problem with the status of its response.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    problem: Problem,
}

/// An error, RFC 9457.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Problem")]
pub struct Document<'a> {
    /// The status's name.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What went wrong.
    detail: String,
    /// Each invalid field.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl ApiError {
    /// The problem with another status than its default.
    pub fn with_status(status: StatusCode, problem: Problem) -> Self {
        Self { status, problem }
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        let status = match &problem {
            Problem::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Problem::NotFound(_) => StatusCode::NOT_FOUND,
            Problem::Conflict(_) => StatusCode::CONFLICT,
            Problem::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Problem::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Problem::DiskFull(_) => StatusCode::INSUFFICIENT_STORAGE,
            Problem::Fault(_) | Problem::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, problem }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response<Body> {
        let document = Document {
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.problem.to_string(),
            errors: self.problem.field_errors(),
        };
        let mut response = (self.status, axum::Json(document)).into_response();
        let problem_json = header::HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, problem_json);
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S);
        }
        response
    }
}

/// Fallback for unknown paths under `/api/v1`.
pub async fn no_such_route(uri: Uri) -> ApiError {
    Problem::NotFound(format!("resource at {}", uri.path())).into()
}

/// Fallback for methods that a resource does not have.
pub async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    let detail = format!("{method} cannot be done at {}", uri.path());
    ApiError::with_status(StatusCode::METHOD_NOT_ALLOWED, Problem::Conflict(detail))
}

/// Response for a handler that panicked, which is a bug. It is logged, and the server continues.
pub fn panicked(panic: Box<dyn Any + Send>) -> Response<Body> {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = message, "a request handler panicked");
    ApiError::from(Problem::Internal).into_response()
}
