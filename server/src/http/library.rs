//! `/api/v1/library`: the files in the folders of `--models`.

use super::{
    etag,
    extract::{IdPath, Json, Query},
    listed::{Listed, Part},
    openapi::{About, Api},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use protocol::{LibraryId, LibraryItem, LibraryKind, LibraryPatch, LibraryStatus, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use studio::{LibraryQuery, Services, Thumbnail};

/// The routes with their summaries.
pub fn routes(api: Api) -> Api {
    let about = |summary| About::new("library", summary);
    api.get("/library", list_library, about("Lists the files of the library, sorted by kind and name."))
        .get("/library/status", get_library_status, about("Returns the state of the library."))
        .post(
            "/library/scan",
            scan_library,
            about("Starts a scan of the library's folders, unless one is running.").status(202).fails(&[409]),
        )
        .get("/library/{id}", get_library_item, about("Returns a file of the library."))
        .patch(
            "/library/{id}",
            update_library_item,
            about("Changes a file's marks: favourite, distillation, title. The file itself does not change."),
        )
        .get(
            "/library/{id}/thumbnail",
            get_library_thumbnail,
            about("Returns a file's thumbnail, or redirects to the newest picture made with it.")
                .answers(&["image/jpeg"])
                .also(&[(304, "Not modified."), (307, "The newest picture made with the file.")]),
        )
}

/// Query of [`list_library`]. An empty value means that the filter is not set.
#[derive(Debug, Deserialize, JsonSchema)]
struct Filter {
    /// Only files of this kind: checkpoint, lora, embedding, vae or upscaler.
    #[schemars(extend("enum" = ["", "checkpoint", "lora", "embedding", "vae", "upscaler"]))]
    kind: Option<String>,
    /// Only files whose name, path, title, base model, family or trigger words contain each of these words.
    search: Option<String>,
    /// Only favourites: true or false.
    #[schemars(extend("enum" = ["", "true", "false"]))]
    favourites: Option<String>,
}

async fn list_library(
    State(state): State<AppState>,
    Query(filter): Query<Filter>,
    part: Part,
) -> Result<Listed<LibraryItem>, ApiError> {
    let given = |value: Option<String>| value.filter(|value| !value.is_empty());
    let kinds = LibraryKind::ALL.map(LibraryKind::as_str).join(", ");
    let bad_kind = || Problem::invalid("kind", format!("must be one of {kinds}"));
    let kind = given(filter.kind).map(|name| LibraryKind::from_name(&name).ok_or_else(bad_kind)).transpose()?;
    let favourites = match given(filter.favourites).as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::invalid("favourites", "must be true or false").into()),
    };
    let search = filter.search.unwrap_or_default();
    let query = LibraryQuery { kind, search, favourites, after: part.after(), limit: part.wanted() };
    let page = state.services.list_library(query).await?;
    Ok(part.of(page.items, LibraryItem::place))
}

async fn get_library_status(State(state): State<AppState>) -> Result<axum::Json<LibraryStatus>, ApiError> {
    let nothing = LibraryQuery { limit: 0, ..LibraryQuery::default() };
    Ok(axum::Json(state.services.list_library(nothing).await?.status))
}

async fn scan_library(State(state): State<AppState>) -> Result<(StatusCode, axum::Json<LibraryStatus>), ApiError> {
    Ok((StatusCode::ACCEPTED, axum::Json(state.services.scan_library().await?)))
}

async fn get_library_item(
    State(state): State<AppState>,
    IdPath(id): IdPath<LibraryId>,
) -> Result<axum::Json<LibraryItem>, ApiError> {
    Ok(axum::Json(state.services.get_library_item(id).await?))
}

async fn update_library_item(
    State(state): State<AppState>,
    IdPath(id): IdPath<LibraryId>,
    Json(patch): Json<LibraryPatch>,
) -> Result<axum::Json<LibraryItem>, ApiError> {
    Ok(axum::Json(state.services.update_library_item(id, patch).await?))
}

/// The address in a file's `thumbnail` contains the picture's version, so a browser may keep it.
async fn get_library_thumbnail(
    State(state): State<AppState>,
    IdPath(id): IdPath<LibraryId>,
    headers: HeaderMap,
) -> Result<Response<Body>, ApiError> {
    let (bytes, tag) = match state.services.get_library_thumbnail(id).await? {
        Thumbnail::Jpeg { bytes, etag } => (bytes, format!("\"{etag}\"")),
        Thumbnail::Take(path) => {
            let location = HeaderValue::try_from(path).map_err(|_| Problem::Internal)?;
            return Ok((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response());
        }
    };
    let is_same = etag::matches(&headers, &tag);
    let mut response = if is_same { StatusCode::NOT_MODIFIED.into_response() } else { bytes.into_response() };
    let to_set = response.headers_mut();
    to_set.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    to_set.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        to_set.insert(header::ETAG, tag);
    }
    Ok(response)
}
