//! Errors as responses: `protocol::Problem` becomes RFC 9457 `application/problem+json`, here and nowhere
//! else. Whoever found the fault has logged it.

use axum::{
    body::Body,
    http::{Method, Response, StatusCode, Uri, header},
    response::IntoResponse,
};
use protocol::{FieldError, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use std::any::Any;

/// When a request that came when there were too many may come again, seconds.
const RETRY_AFTER_S: header::HeaderValue = header::HeaderValue::from_static("5");

/// A problem on its way out of a handler.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    problem: Problem,
}

/// A problem as RFC 9457 has it.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Problem")]
pub(super) struct Document<'a> {
    /// The status in words.
    title: &'a str,
    /// The status.
    status: u16,
    /// What is wrong, for people.
    detail: String,
    /// Each field that cannot be taken.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl ApiError {
    /// The problem with another status than its usual one.
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
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S);
        }
        response
    }
}

/// For an address under `/api/v1` that names nothing.
pub async fn no_such_route(uri: Uri) -> ApiError {
    Problem::NotFound(format!("resource at {}", uri.path())).into()
}

/// For a resource that has no such method.
pub async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    let detail = format!("{method} cannot be done at {}", uri.path());
    ApiError::with_status(StatusCode::METHOD_NOT_ALLOWED, Problem::Conflict(detail))
}

/// For a handler that panicked: a bug, logged as one; the server lives on.
pub fn panicked(panic: Box<dyn Any + Send>) -> Response<Body> {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = message, "a request handler panicked");
    ApiError::from(Problem::Internal).into_response()
}
