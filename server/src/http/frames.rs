//! `/api/v1/projects/{id}/frames` and `/api/v1/frames`

use super::{
    extract::{IdPath, Json, Picture, Query},
    listed::{Listed, Part},
    openapi::{About, Api},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{extract::State, http::StatusCode};
use protocol::{FieldError, Frame, FrameId, FramePatch, Problem, ProjectId, frame};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use studio::Services;

/// The routes with their summaries.
pub fn routes(api: Api) -> Api {
    let about = |summary| About::new("frames", summary);
    api.get("/projects/{id}/frames", list_frames, about("Lists a project's frames in timeline order."))
        .patch("/frames/{id}", update_frame, about("Changes the given fields of a frame."))
        .delete("/frames/{id}", delete_frame, about("Deletes a frame. It can be restored for thirty days.").status(204))
        .post("/frames/{id}/restore", restore_frame, about("Restores a deleted frame.").fails(&[409]))
        .post(
            "/frames/{id}/duplicate",
            duplicate_frame,
            about("Creates a frame after this one with a copy of its picture.").status(201).fails(&[409]),
        )
}

/// The route whose body is a picture.
pub fn picture_routes(api: Api) -> Api {
    api.post(
        "/api/v1/projects/{id}/frames",
        import_frame,
        About::new(
            "frames",
            "Creates a frame from a picture. Without a body, the picture is white and has the project's size.",
        )
        .status(201),
    )
}

async fn list_frames(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
    part: Part,
) -> Result<Listed<Frame>, ApiError> {
    let mut frames = state.services.list_frames(id).await?;
    if let Some(after) = part.after_id()? {
        // Frames are ordered by position, so only a frame that is in the list can be a cursor.
        let index = frames.iter().position(|frame| frame.id.0 == after);
        let gone = || Problem::invalid("after", format!("frame {after} is not in this project any more; begin again"));
        frames.drain(..=index.ok_or_else(gone)?);
    }
    Ok(part.of(frames, |frame| frame.id.to_string()))
}

/// Query of [`import_frame`].
#[derive(Debug, Deserialize, JsonSchema)]
struct Place {
    /// Position on the timeline, 0 for the first; later frames move. By default, and beyond the end, the end.
    #[schemars(with = "Option<u32>")]
    position: Option<String>,
}

/// The frame, with warnings about the file.
#[derive(Debug, JsonSchema, Serialize)]
struct ImportedFrame {
    #[serde(flatten)]
    frame: Frame,
    /// What was ignored, by field: the other pictures of an animation, a colour profile. Absent for most files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<FieldError>,
}

/// Frames that move for it are published as events.
async fn import_frame(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
    Query(place): Query<Place>,
    file: Picture,
) -> Result<(StatusCode, axum::Json<ImportedFrame>), ApiError> {
    let position = place.position.filter(|text| !text.is_empty());
    let position = position.map(|text| text.parse::<u32>().map_err(|_| bad_position())).transpose()?;
    let (frame, warnings) = state.services.import_frame(id, position, Box::new(file)).await?;
    Ok((StatusCode::CREATED, axum::Json(ImportedFrame { frame, warnings })))
}

fn bad_position() -> Problem {
    Problem::invalid("position", frame::expected("position").unwrap_or_default())
}

/// Frames that move with it are published as events.
async fn update_frame(
    State(state): State<AppState>,
    IdPath(id): IdPath<FrameId>,
    Json(patch): Json<FramePatch>,
) -> Result<axum::Json<Frame>, ApiError> {
    let changed = state.services.update_frame(id, patch).await?;
    Ok(axum::Json(changed.into_iter().next().ok_or(Problem::Internal)?))
}

async fn delete_frame(State(state): State<AppState>, IdPath(id): IdPath<FrameId>) -> Result<StatusCode, ApiError> {
    state.services.delete_frame(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn restore_frame(
    State(state): State<AppState>,
    IdPath(id): IdPath<FrameId>,
) -> Result<axum::Json<Frame>, ApiError> {
    Ok(axum::Json(state.services.restore_frame(id).await?))
}

/// Frames that move for it are published as events.
async fn duplicate_frame(
    State(state): State<AppState>,
    IdPath(id): IdPath<FrameId>,
) -> Result<(StatusCode, axum::Json<Frame>), ApiError> {
    let created = state.services.duplicate_frame(id).await?;
    Ok((StatusCode::CREATED, axum::Json(created.into_iter().next().ok_or(Problem::Internal)?)))
}
