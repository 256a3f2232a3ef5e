//! `GET /api/v1/openapi.json`

use super::Document;
use axum::{Extension, http::header};

/// This server's API as an OpenAPI 3.1 document.
pub async fn read(Extension(document): Extension<Document>) -> ([(header::HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, "application/json")], document.json.as_ref().to_owned())
}
