//! `POST /api/v1/projects/{id}/frames?position=`

use crate::{
    http::{
        extract::{IdPath, Picture, Query},
        problem::ApiError,
    },
    state::AppState,
};
use axum::{Json, extract::State, http::StatusCode};
use protocol::{FieldError, Frame, Problem, ProjectId, frame};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the frame comes to stand.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Place {
    /// 0 for the first place; those behind move up. By default, and past the end, the end.
    #[schemars(with = "Option<u32>")]
    position: Option<String>,
}

/// The frame, and what its picture does not show of the file.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ImportedFrame {
    #[serde(flatten)]
    frame: Frame,
    /// By field: that only the first picture of an animation is used, that a colour profile was ignored. Absent for most files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<FieldError>,
}

/// Puts a picture onto the timeline as a frame of its own: 201. Without a body, a white one of the project's size.
/// Frames that move with it are told of by events.
pub async fn create(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
    Query(place): Query<Place>,
    file: Picture,
) -> Result<(StatusCode, Json<ImportedFrame>), ApiError> {
    let position = place.position.filter(|text| !text.is_empty());
    let position = position.map(|text| text.parse::<u32>().map_err(|_| bad_position())).transpose()?;
    let (frame, warnings) = state.services.import_frame(id, position, file).await?;
    Ok((StatusCode::CREATED, Json(ImportedFrame { frame, warnings })))
}

fn bad_position() -> Problem {
    Problem::invalid("position", frame::expected("position").unwrap_or_default())
}
