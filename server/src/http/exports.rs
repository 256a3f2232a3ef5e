//! `/api/v1/projects/{id}/exports` and `/api/v1/exports`

use super::{
    extract::{IdPath, Json},
    listed::{Listed, Part},
    openapi::{About, Api, range_schema},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Response, StatusCode, header},
};
use protocol::{Export, ExportId, NewExport, Problem, ProjectId};
use std::fmt::Write;
use studio::Services;
use tower::ServiceExt;
use tower_http::services::ServeFile;

/// The routes with their summaries.
pub fn routes(api: Api) -> Api {
    let about = |summary| About::new("exports", summary);
    api.post(
        "/projects/{id}/exports",
        create_export,
        about("Starts exporting a project's frames, or how one of its takes formed, into one file.")
            .status(202)
            .fails(&[409, 429]),
    )
    .get("/projects/{id}/exports", list_exports, about("Lists a project's exports, newest first."))
    .get("/exports/{id}", get_export, about("Returns an export: its progress, and the address of its file."))
    .delete("/exports/{id}", delete_export, about("Cancels an export and removes its file.").status(204))
    .get(
        "/exports/{id}/file",
        get_export_file,
        about("Returns the exported file.")
            .answers(&["application/zip", "image/gif", "image/apng", "image/webp", "video/mp4"])
            .also(&[(206, "The requested range."), (304, "Not modified."), (416, "The range is beyond the end.")])
            .header("Range", "A range of bytes.", range_schema),
    )
}

async fn create_export(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
    Json(new): Json<NewExport>,
) -> Result<(StatusCode, axum::Json<Export>), ApiError> {
    Ok((StatusCode::ACCEPTED, axum::Json(state.services.create_export(id, new.validated()?).await?)))
}

async fn list_exports(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
    part: Part,
) -> Result<Listed<Export>, ApiError> {
    let mut exports = state.services.list_exports(id).await?;
    if let Some(after) = part.after_id()? {
        exports.retain(|export| export.id.0 < after);
    }
    Ok(part.of(exports, |export| export.id.to_string()))
}

async fn get_export(
    State(state): State<AppState>,
    IdPath(id): IdPath<ExportId>,
) -> Result<axum::Json<Export>, ApiError> {
    Ok(axum::Json(state.services.get_export(id).await?))
}

async fn delete_export(State(state): State<AppState>, IdPath(id): IdPath<ExportId>) -> Result<StatusCode, ApiError> {
    state.services.delete_export(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Supports ranges. The file is offered under the project's name.
async fn get_export_file(
    State(state): State<AppState>,
    IdPath(id): IdPath<ExportId>,
    request: Request,
) -> Result<Response<Body>, ApiError> {
    let file = state.services.get_export_file(id).await?;
    let media_type = file.format.media_type().parse().map_err(|_| Problem::Internal)?;
    let Ok(mut response) = ServeFile::new_with_mime(&file.path, &media_type).oneshot(request).await;
    // The address does not identify the bytes, and a deleted export must not be served from a cache.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(value) = HeaderValue::from_str(&disposition(&file.file_name)) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response.map(Body::new))
}

/// `Content-Disposition` by RFC 6266: the name in percent-encoded UTF-8, and in ASCII for clients without support for it.
fn disposition(name: &str) -> String {
    let ascii: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' }).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            byte => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_travels_in_any_script() {
        assert_eq!(disposition("Storm-1.zip"), "attachment; filename=\"Storm-1.zip\"; filename*=UTF-8''Storm-1.zip");
        assert_eq!(disposition("龍.gif"), "attachment; filename=\"_.gif\"; filename*=UTF-8''%E9%BE%8D.gif");
    }
}
