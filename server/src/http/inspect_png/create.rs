//! `POST /api/v1/inspect-png`

use crate::http::problem::ApiError;
use axum::{Json, body::Bytes, http::StatusCode};
use protocol::Problem;
use schemars::JsonSchema;
use serde::Serialize;

/// What a PNG says of how it was made.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Inspected {
    /// Emberline's own record; null where there is none.
    parameters: Option<png_info::Parameters>,
    /// The text that A1111 and its kin write; null where there is none.
    a1111: Option<String>,
}

/// Reads the parameters that a PNG carries; the body is the file.
pub async fn create(body: Bytes) -> Result<Json<Inspected>, ApiError> {
    let read = tokio::task::spawn_blocking(move || png_info::read(&body)).await.map_err(|_| Problem::Internal)?;
    match read {
        Ok(info) => Ok(Json(Inspected { parameters: info.parameters, a1111: info.a1111 })),
        Err(error) => {
            Err(ApiError::with_status(StatusCode::UNPROCESSABLE_ENTITY, Problem::invalid("body", error.to_string())))
        }
    }
}
