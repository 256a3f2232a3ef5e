//! Rows as stored: integers for ids and times, text for statuses. The methods of [`crate::Store`] convert them to the
//! types of `protocol`.

use crate::StoreError;
use crate::schema::{frames, idempotency_keys, library_files, projects, settings, styles, takes, tasks};
use diesel::prelude::*;

/// A row of `projects`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, Queryable, Selectable, Identifiable, Insertable)]
#[diesel(table_name = projects)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite, diesel::pg::Pg))]
pub struct ProjectRow {
    /// Its id.
    pub id: i64,
    /// 1 to 120 characters.
    pub name: String,
    /// Picture width in pixels.
    pub width: i32,
    /// Picture height in pixels.
    pub height: i32,
    /// Frames per second.
    pub fps: i32,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub updated_at: i64,
    /// Epoch milliseconds; none while it is live.
    pub deleted_at: Option<i64>,
}

/// A row of `frames`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, Queryable, Selectable, Identifiable, Insertable)]
#[diesel(table_name = frames)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite, diesel::pg::Pg))]
pub struct FrameRow {
    /// Its id.
    pub id: i64,
    /// Its project.
    pub project_id: i64,
    /// 0, 1, 2, ...
    pub position: i32,
    /// In frames of the project's rate.
    pub duration: i32,
    /// The take that it shows while no task of it runs.
    pub selected_take_id: Option<i64>,
    /// The user's note.
    pub note: String,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds; none while it is live.
    pub deleted_at: Option<i64>,
    /// Whether it was deleted because nothing was left to show, and not by a user.
    pub emptied: bool,
}

/// A row of `tasks`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, Queryable, Selectable, Identifiable, Insertable)]
#[diesel(table_name = tasks)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite, diesel::pg::Pg))]
pub struct TaskRow {
    /// Its id.
    pub id: i64,
    /// Its frame's project.
    pub project_id: i64,
    /// Its frame.
    pub frame_id: i64,
    /// One of `protocol::TaskStatus`' names, except `paused`.
    pub status: String,
    /// Number of starts.
    pub attempt: i32,
    /// JSON.
    pub parameters: String,
    /// 0 to 2^53 - 1.
    pub seed: i64,
    /// Why it failed.
    pub error: Option<String>,
    /// Place in the queue; ties are sorted by id.
    pub queue_order: i64,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub started_at: Option<i64>,
    /// Epoch milliseconds.
    pub finished_at: Option<i64>,
    /// How often the server ended uncleanly while it ran.
    pub unclean_ends: i32,
    /// Whether a user paused it. Its status is `queued` then.
    pub paused: bool,
    /// Steps that are done and saved.
    pub done_steps: i32,
    /// Whether its next start makes the current estimate the finished picture.
    pub keeps: bool,
    /// Whether it waits until no other task does, and steps aside for those.
    pub overnight: bool,
    /// Number of steps after which it pauses by itself.
    pub pause_at: Option<i32>,
}

/// A row of `takes`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, Queryable, Selectable, Identifiable, Insertable)]
#[diesel(table_name = takes)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite, diesel::pg::Pg))]
pub struct TakeRow {
    /// Its id.
    pub id: i64,
    /// Its frame's project.
    pub project_id: i64,
    /// Its frame.
    pub frame_id: i64,
    /// Its task.
    pub task_id: i64,
    /// The picture is at `/media/<key>.png`.
    pub key: String,
    /// Pixels.
    pub width: i32,
    /// Pixels.
    pub height: i32,
    /// Hash of the final picture's bytes.
    pub etag: Option<String>,
    /// The sampling step at which it was finished.
    pub finished_step: Option<i32>,
    /// Epoch milliseconds.
    pub finished_at: Option<i64>,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Whether its trace stays when space is needed.
    pub trace_pinned: bool,
    /// The object of the final picture; none if that is the file `<key>.png`.
    pub object: Option<String>,
    /// Epoch milliseconds; none while it is live.
    pub deleted_at: Option<i64>,
}

/// A row of `styles`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Identifiable, Insertable)]
#[diesel(table_name = styles)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite, diesel::pg::Pg))]
pub struct StyleRow {
    /// Its id.
    pub id: i64,
    /// 1 to 120 characters.
    pub name: String,
    /// What it adds to the prompt.
    pub prompt: String,
    /// What it adds to the negative prompt.
    pub negative_prompt: String,
    /// Epoch milliseconds; none while it is live.
    pub deleted_at: Option<i64>,
}

/// A row of `settings`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = settings)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite, diesel::pg::Pg))]
pub struct SettingRow {
    /// 1 to 64 characters.
    pub name: String,
    /// The format is the setting's owner's choice.
    pub value: String,
}

/// A row of `idempotency_keys`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = idempotency_keys)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite, diesel::pg::Pg))]
pub struct IdempotencyRow {
    /// The project that the request was for.
    pub project_id: i64,
    /// 1 to 255 characters.
    pub key: String,
    /// A hash of the request.
    pub fingerprint: String,
    /// JSON: the accepted tasks.
    pub tasks: String,
    /// Epoch milliseconds.
    pub created_at: i64,
}

/// A row of `library_files`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = library_files)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite, diesel::pg::Pg))]
pub struct LibraryFileRow {
    /// From the folder and the path inside it: 16 characters.
    pub id: String,
    /// The folder of the library.
    pub folder: String,
    /// Path inside the folder.
    pub file: String,
    /// Size in bytes when it was read.
    pub bytes: i64,
    /// Epoch milliseconds of its last change when it was read.
    pub modified_ms: i64,
    /// What its header says, in a form that the library chooses.
    pub facts: Option<String>,
    /// SHA-256 of the whole file, 64 digits.
    pub sha256: Option<String>,
    /// SHA-256 of the bytes behind the header, 64 digits.
    pub tensors_sha256: Option<String>,
    /// A favourite of the user.
    pub favourite: bool,
    /// The user's mark: how it was distilled.
    pub distillation: Option<String>,
    /// The user's title.
    pub title: Option<String>,
}

/// Converts a number to its column type.
pub(crate) fn to_column(column: &'static str, value: u32) -> Result<i32, StoreError> {
    i32::try_from(value).map_err(|_| StoreError::Corrupt { column, value: value.to_string() })
}

/// Converts a number from its column type.
pub(crate) fn from_column(column: &'static str, value: i32) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_| StoreError::Corrupt { column, value: value.to_string() })
}

/// Serializes a value for a text column.
pub(crate) fn json_for_column<T: serde::Serialize + std::fmt::Debug>(
    column: &'static str,
    value: &T,
) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Corrupt { column, value: format!("{value:?}") })
}
