//! `/api/v1/styles`

use super::{
    extract::{IdPath, Json},
    openapi::{About, Api},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{
    extract::State,
    http::{HeaderName, StatusCode, header},
};
use protocol::{NewStyle, Style, StyleId, StyleImport, StylePatch, url_path};
use studio::Services;

/// The routes with their summaries.
pub fn routes(api: Api) -> Api {
    let about = |summary| About::new("styles", summary);
    api.get("/styles", list_styles, about("Lists styles by name."))
        .post("/styles", create_style, about("Creates a style.").status(201))
        .patch("/styles/{id}", update_style, about("Changes the given fields of a style."))
        .delete("/styles/{id}", delete_style, about("Deletes a style. It can be restored for thirty days.").status(204))
        .post(
            "/styles/{id}/restore",
            restore_style,
            about("Restores a deleted style. Another style must not have its name.").fails(&[422]),
        )
        .post(
            "/styles/import",
            import_styles,
            about("Imports A1111's styles.csv. Styles of the same names are replaced."),
        )
}

async fn list_styles(State(state): State<AppState>) -> Result<axum::Json<Vec<Style>>, ApiError> {
    Ok(axum::Json(state.services.list_styles().await?))
}

/// The new style with its address in `Location`.
type Created = (StatusCode, [(HeaderName, String); 1], axum::Json<Style>);

async fn create_style(State(state): State<AppState>, Json(new): Json<NewStyle>) -> Result<Created, ApiError> {
    let style = state.services.create_style(new).await?;
    let location = [(header::LOCATION, url_path(&format!("/api/v1/styles/{}", style.id)))];
    Ok((StatusCode::CREATED, location, axum::Json(style)))
}

async fn update_style(
    State(state): State<AppState>,
    IdPath(id): IdPath<StyleId>,
    Json(patch): Json<StylePatch>,
) -> Result<axum::Json<Style>, ApiError> {
    Ok(axum::Json(state.services.update_style(id, patch).await?))
}

async fn delete_style(State(state): State<AppState>, IdPath(id): IdPath<StyleId>) -> Result<StatusCode, ApiError> {
    state.services.delete_style(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn restore_style(
    State(state): State<AppState>,
    IdPath(id): IdPath<StyleId>,
) -> Result<axum::Json<Style>, ApiError> {
    Ok(axum::Json(state.services.restore_style(id).await?))
}

async fn import_styles(
    State(state): State<AppState>,
    Json(import): Json<StyleImport>,
) -> Result<axum::Json<Vec<Style>>, ApiError> {
    Ok(axum::Json(state.services.import_styles(import.csv).await?))
}
