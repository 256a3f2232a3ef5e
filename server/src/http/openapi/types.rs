//! What a handler's types say of it: each extractor of its input, and the type of its answer.

use super::operation::Draft;
use crate::{
    http::{
        extract::{Body, IdPath, Json, PathId, Picture, PictureFile, Query},
        listed::{Asked, Listed, Part},
        problem::ApiError,
    },
    state::AppState,
};
use axum::{
    Extension,
    extract::{Path, State, WebSocketUpgrade},
    http::{HeaderMap, HeaderName, Response, StatusCode},
};
use schemars::JsonSchema;

/// An extractor that can tell what it takes.
pub trait Input {
    /// Adds it to the operation.
    fn describe(_: &mut Draft<'_>) {}
}

impl Input for State<AppState> {}
impl Input for HeaderMap {}
impl Input for axum::extract::Request {}
impl Input for WebSocketUpgrade {}
impl<T> Input for Extension<T> {}
impl<T> Input for Option<Extension<T>> {}

/// Queries that are read leniently, and say so in the summary.
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

impl Input for Path<String> {
    fn describe(draft: &mut Draft<'_>) {
        draft.path_parameter::<String>("A name.");
    }
}

impl<T: Body + JsonSchema> Input for Json<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.json_body::<T>();
    }
}

/// A picture's file.
impl Input for PictureFile {
    fn describe(draft: &mut Draft<'_>) {
        let content = serde_json::json!({"image/png": {}, "image/jpeg": {}, "image/webp": {}});
        draft.body = Some(serde_json::json!({"required": true, "content": content}));
        draft.fails.extend([413, 422]);
    }
}

/// A picture, or nothing.
impl Input for Picture {
    fn describe(draft: &mut Draft<'_>) {
        let content = serde_json::json!({"image/png": {}, "image/jpeg": {}, "image/webp": {}});
        draft.body = Some(serde_json::json!({"required": false, "content": content}));
        draft.fails.extend([413, 422]);
    }
}

/// A handler's answer that can tell what it gives.
pub trait Output {
    /// Adds it to the operation.
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

/// A handler whose types describe it; `T` as in [`axum::handler::Handler`].
pub trait Described<T> {
    /// Adds its input and its answer.
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
