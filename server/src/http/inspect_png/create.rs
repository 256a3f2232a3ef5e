//! `POST /api/v1/inspect-png`

use crate::{
    http::{extract::PictureFile, problem::ApiError},
    record::applicable,
    state::AppState,
};
use app::services::Services;
use axum::{Json, extract::State, http::StatusCode};
use png_info::{Info, Parameters, Record};
use protocol::Problem;
use schemars::JsonSchema;
use serde::Serialize;

/// What a picture's file says of how it was made.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Inspected {
    /// Emberline's own record as it is; null where there is none.
    parameters: Option<Parameters>,
    /// The text in A1111's format as it is, or whatever else is in its place; null where there is none.
    a1111: Option<String>,
    /// The record of whichever program wrote it, with settings that this server can be asked for; null where there is
    /// none.
    record: Option<Record>,
}

/// Reads the record that a PNG, JPEG or WebP file carries; the body is the file. Its pixels are not decoded.
pub async fn create(State(state): State<AppState>, file: PictureFile) -> Result<Json<Inspected>, ApiError> {
    let models: Vec<String> = state.services.models().await?.into_iter().map(|model| model.name).collect();
    let read = tokio::task::spawn_blocking(move || {
        let Info { parameters, a1111, record } = png_info::read(file.as_ref())?;
        Ok(Inspected { parameters, a1111, record: record.map(|record| applicable(record, &models)) })
    });
    let read: Result<_, png_info::Error> = read.await.map_err(|_| Problem::Internal)?;
    let inspected = read.map_err(|error| {
        ApiError::with_status(StatusCode::UNPROCESSABLE_ENTITY, Problem::invalid("body", error.to_string()))
    })?;
    Ok(Json(inspected))
}
