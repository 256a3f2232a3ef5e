//! `/api/v1/inspect-png`

use super::{
    extract::PictureFile,
    openapi::{About, Api},
};
use crate::problem::ApiError;
use crate::{
    record::{applicable, with_hashed_model},
    state::AppState,
};
use axum::{Json, extract::State, http::StatusCode};
use png_info::{Info, NotApplied, Parameters, Record};
use protocol::{Lora, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use studio::Services;

/// The route with its summary. Its body is a picture.
pub fn picture_routes(api: Api) -> Api {
    api.post(
        "/api/v1/inspect-png",
        inspect_png,
        About::new(
            "media",
            "Reads the generation parameters in a PNG, JPEG or WebP file, also those of A1111, ComfyUI and others.",
        ),
    )
}

/// The generation parameters in a picture's file.
#[derive(Debug, JsonSchema, Serialize)]
struct Inspected {
    /// Emberline's own record, unchanged; null if there is none.
    parameters: Option<Parameters>,
    /// The text in the place of A1111's parameters, unchanged; null if there is none.
    a1111: Option<String>,
    /// The record of any known program, with the settings that this server accepts; null if there is none.
    record: Option<Record>,
}

/// The pixels are not decoded.
async fn inspect_png(State(state): State<AppState>, file: PictureFile) -> Result<Json<Inspected>, ApiError> {
    let models: Vec<String> = state.services.list_models().await?.into_iter().map(|model| model.name).collect();
    let services = state.services.clone();
    let read = tokio::task::spawn_blocking(move || {
        let Info { parameters, a1111, record } = png_info::read(file.as_ref())?;
        let record = record.map(|record| with_hashed_model(record, |hash| services.model_with_hash(hash)));
        Ok(Inspected { parameters, a1111, record: record.map(|record| applicable(record, &models)) })
    });
    let read: Result<_, png_info::Error> = read.await.map_err(|_| Problem::Internal)?;
    let inspected = read.map_err(|error| {
        ApiError::with_status(StatusCode::UNPROCESSABLE_ENTITY, Problem::invalid("body", error.to_string()))
    })?;
    let mut inspected = inspected;
    if let Some(record) = &mut inspected.record
        && let Some(loras) = record.settings.loras.take()
    {
        let (known, unknown) = state.services.known_loras(loras).await;
        record.settings.loras = Some(known).filter(|known| !known.is_empty());
        let not_applied = |(lora, why): (Lora, String)| NotApplied::new("loras", &lora.name, why);
        record.not_applied.extend(unknown.into_iter().map(not_applied));
    }
    Ok(Json(inspected))
}
