//! `GET /api/v1/exports/{id}/file`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Response, header},
};
use protocol::{ExportId, Problem};
use std::fmt::Write;
use tower::ServiceExt;
use tower_http::services::ServeFile;

/// The file, with ranges, under the project's name.
pub async fn file(
    State(state): State<AppState>,
    IdPath(id): IdPath<ExportId>,
    request: Request,
) -> Result<Response<Body>, ApiError> {
    let missing = || Problem::NotFound(format!("file of export {id}"));
    let finished = state.exports.file(id).ok_or_else(missing)?;
    let media_type = finished.format.media_type().parse().map_err(|_| Problem::Internal)?;
    let Ok(mut response) = ServeFile::new_with_mime(&finished.path, &media_type).oneshot(request).await;
    // Its name says nothing of its bytes, and a deleted export is gone.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(value) = HeaderValue::from_str(&disposition(&finished.file_name)) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response.map(Body::new))
}

/// RFC 6266: the name in UTF-8, percent-encoded, and for clients that do not know that form, in ASCII.
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
