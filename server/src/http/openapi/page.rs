//! `GET /api/v1/docs`

use super::Document;
use crate::http::html;
use axum::{Extension, http::StatusCode, response::Response};

/// The document as a page for people.
pub async fn page(Extension(document): Extension<Document>) -> Response {
    html::page(StatusCode::OK, "HTTP API", &document.page)
}
