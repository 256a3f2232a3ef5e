//! `/media/{key}/{side}.jpg`: thumbnails of pictures.

use super::{
    etag,
    media::{Version, caching, shortened},
    openapi::{About, Api},
};
use crate::{problem::ApiError, state::AppState};
use axum::{
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use protocol::{Problem, THUMBNAIL_SIDES_PX};

/// The route with its summary.
pub fn routes(api: Api) -> Api {
    api.get(
        "/media/{key}/{name}",
        get_thumbnail,
        About::new(
            "media",
            "Returns a picture's thumbnail, 160.jpg, 320.jpg or 640.jpg, named by its longer side in pixels; a smaller \
             picture keeps its size. With ?v=<etag> of the picture, the response is immutable if the tag matches.",
        )
        .answers(&["image/jpeg"])
        .also(&[(304, "Not modified.")]),
    )
}

async fn get_thumbnail(
    State(state): State<AppState>,
    Path((key, name)): Path<(String, String)>,
    version: Result<Query<Version>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response<Body>, ApiError> {
    let side_px = THUMBNAIL_SIDES_PX.into_iter().find(|side| name == format!("{side}.jpg"));
    let side_px = side_px.ok_or_else(|| {
        let sizes = THUMBNAIL_SIDES_PX.map(|side| format!("{side}.jpg")).join(", ");
        Problem::NotFound(format!("thumbnail {:?} (there are {sizes})", shortened(&name)))
    })?;
    let made = state.services.take_thumbnail(&key, side_px).await?;
    let version = version.ok().and_then(|Query(Version { v })| v);
    let tag = format!("\"{}-{side_px}\"", made.picture_etag);
    let mut response = match etag::matches(&headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, "image/jpeg")], made.jpeg.to_vec()).into_response(),
    };
    let caching = caching(version.as_deref(), &made.picture_etag);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    response.headers_mut().insert(header::ETAG, HeaderValue::try_from(tag).map_err(|_| Problem::Internal)?);
    Ok(response)
}
