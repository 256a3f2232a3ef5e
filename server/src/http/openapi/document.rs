//! Assembles the document.

use super::{api::Documented, page};
use crate::problem;
use protocol::cookie_path;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The document as JSON, and as the HTML body of a page. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Document {
    pub(super) json: Arc<str>,
    pub(super) page: Arc<str>,
}

impl Document {
    /// Builds it from the documentation of all routes.
    pub fn new(documented: Documented) -> Self {
        let value = value(documented);
        Self { page: page::body_of(&value).into(), json: value.to_string().into() }
    }
}

fn value(documented: Documented) -> Value {
    let Documented { mut schemas, paths } = documented;
    let problem = schemas.output.subschema_for::<problem::Document<'static>>();
    let mut components: Map<String, Value> = schemas.input.take_definitions(true);
    for (name, schema) in schemas.output.take_definitions(true) {
        // Types used both in requests and in responses are enums of names, whose schemas are the same both ways.
        components.insert(name, schema);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Emberline",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT OR Apache-2.0"},
            "description": "Picture sequences with Stable Diffusion XL. Errors are RFC 9457 problems. \
                            With a password or a token set, requests need a session's cookie or the token.",
        },
        "servers": [{"url": cookie_path()}],
        "security": [{}, {"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {
                "Problem": {
                    "description": "The error.",
                    "content": {"application/problem+json": {"schema": problem}},
                },
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "emberline_session"},
            },
        },
    })
}
