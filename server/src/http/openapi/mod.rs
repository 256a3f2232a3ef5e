//! The OpenAPI document. One call adds a route to the router and to the document; the document's schemas come from the
//! types of the handler's arguments and of its answer.

mod api;
mod document;
mod operation;
mod page;
mod types;

pub use api::{Api, Documented};
pub use document::Document;
pub use operation::About;

use super::html;
use axum::{
    Extension,
    http::{StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

/// Schema of the header `Range`.
pub fn range_schema() -> Value {
    json!({"type": "string"})
}

/// The routes with their summaries.
pub fn routes(api: Api) -> Api {
    let about = |summary| About::new("server", summary);
    api.get("/openapi.json", get_document, about("Returns this document.").answers(&["application/json"])).get(
        "/docs",
        get_page,
        about("Shows this document as a page.").answers(&["text/html"]),
    )
}

async fn get_document(Extension(document): Extension<Document>) -> ([(header::HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, "application/json")], document.json.as_ref().to_owned())
}

async fn get_page(Extension(document): Extension<Document>) -> Response {
    html::page(StatusCode::OK, "HTTP API", &document.page)
}
