//! Documentation from a handler's types: its extractors and its response.

use super::operation::Draft;
use crate::problem::ApiError;
use crate::{
    http::{
        extract::{Body, IdPath, IdempotencyKey, Json, PathId, Picture, PictureFile, Query},
        listed::{Asked, Listed, Part},
    },
    state::AppState,
};
use axum::{
    Extension,
    extract::{Path, State, WebSocketUpgrade},
    http::{HeaderMap, HeaderName, Response, StatusCode},
};
use schemars::JsonSchema;

/// An extractor that documents the input that it takes.
pub trait Input {
    /// Adds its part to the operation.
    fn describe(_: &mut Draft<'_>) {}
}

impl Input for State<AppState> {}
impl Input for HeaderMap {}
impl Input for axum::extract::Request {}
impl Input for WebSocketUpgrade {}
impl<T> Input for Extension<T> {}
impl<T> Input for Option<Extension<T>> {}

/// Queries whose errors the handler treats itself.
impl<T: JsonSchema, E> Input for Result<axum::extract::Query<T>, E> {
    fn describe(draft: &mut Draft<'_>) {
        draft.query_parameters::<T>();
    }
}

impl<T: JsonSchema> Input for Query<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.query_parameters::<T>();
    }
}

impl Input for Part {
    fn describe(draft: &mut Draft<'_>) {
        draft.query_parameters::<Asked>();
        draft.fails.push(422);
    }
}

impl<T: PathId + JsonSchema> Input for IdPath<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.path_parameter::<T>(&format!("The {}'s id.", T::OF));
    }
}

impl Input for IdempotencyKey {
    fn describe(draft: &mut Draft<'_>) {
        draft.parameters.push(serde_json::json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Idempotency key: repeating a request with the same key returns the tasks of the first one.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }));
    }
}

impl Input for Path<String> {
    fn describe(draft: &mut Draft<'_>) {
        draft.path_parameter::<String>("The file name.");
    }
}

impl Input for Path<(String, String)> {
    fn describe(draft: &mut Draft<'_>) {
        draft.path_parameter::<String>("The picture's key.");
        draft.path_parameter::<String>("The file name.");
    }
}

impl<T: Body + JsonSchema> Input for Json<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.json_body::<T>();
    }
}

/// A required picture.
impl Input for PictureFile {
    fn describe(draft: &mut Draft<'_>) {
        let content = serde_json::json!({"image/png": {}, "image/jpeg": {}, "image/webp": {}});
        draft.body = Some(serde_json::json!({"required": true, "content": content}));
        draft.fails.extend([413, 422]);
    }
}

/// An optional picture.
impl Input for Picture {
    fn describe(draft: &mut Draft<'_>) {
        let content = serde_json::json!({"image/png": {}, "image/jpeg": {}, "image/webp": {}});
        draft.body = Some(serde_json::json!({"required": false, "content": content}));
        draft.fails.extend([413, 422]);
    }
}

/// A response type that documents itself.
pub trait Output {
    /// Adds its part to the operation.
    fn describe(_: &mut Draft<'_>) {}
}

impl Output for StatusCode {}
impl Output for &'static str {}
impl Output for String {}
impl<B> Output for Response<B> {}

impl<T: Output> Output for Result<T, ApiError> {
    fn describe(draft: &mut Draft<'_>) {
        T::describe(draft);
    }
}

impl<T: JsonSchema> Output for axum::Json<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.json_answer::<T>();
    }
}

impl<T: JsonSchema> Output for Listed<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.json_answer::<Vec<T>>();
        draft.is_list = true;
    }
}

impl<T: Output> Output for (StatusCode, T) {
    fn describe(draft: &mut Draft<'_>) {
        T::describe(draft);
    }
}

impl<V, T: Output> Output for (StatusCode, [(HeaderName, V); 1], T) {
    fn describe(draft: &mut Draft<'_>) {
        T::describe(draft);
    }
}

impl<V, T: Output> Output for ([(HeaderName, V); 1], T) {
    fn describe(draft: &mut Draft<'_>) {
        T::describe(draft);
    }
}

/// A handler whose types document it. `T` as in [`axum::handler::Handler`].
pub trait Described<T> {
    /// Adds its input and its response.
    fn describe(draft: &mut Draft<'_>);
}

impl<F, Fut, Out> Described<((),)> for F
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Out>,
    Out: Output,
{
    fn describe(draft: &mut Draft<'_>) {
        Out::describe(draft);
    }
}

macro_rules! described {
    ($($input:ident)+) => {
        impl<F, Fut, Out, M, $($input),+> Described<(M, $($input,)+)> for F
        where
            F: FnOnce($($input),+) -> Fut,
            Fut: Future<Output = Out>,
            Out: Output,
            $($input: Input,)+
        {
            fn describe(draft: &mut Draft<'_>) {
                $($input::describe(draft);)+
                Out::describe(draft);
            }
        }
    };
}

described!(A);
described!(A B);
described!(A B C);
described!(A B C D);
described!(A B C D E);
