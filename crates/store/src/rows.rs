//! Rows as they are stored: integers for ids and times, text for statuses. [`crate::Store`]'s methods turn
//! them into what readers want.

use crate::StoreError;
use crate::schema::{frames, idempotency_keys, projects, settings, takes, tasks};
use diesel::prelude::*;

/// A row of `projects`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, Queryable, Selectable, Identifiable)]
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
    /// Epoch milliseconds.
    pub deleted_at: Option<i64>,
}

/// A row of `frames`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, Queryable, Selectable, Identifiable)]
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
    /// The take that it shows when none is running.
    pub selected_take_id: Option<i64>,
    /// A person's note.
    pub note: String,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub deleted_at: Option<i64>,
    /// Deleted because nothing was left to show, and not by a person.
    pub emptied: bool,
}

/// A row of `tasks`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, Queryable, Selectable, Identifiable)]
#[diesel(table_name = tasks)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite, diesel::pg::Pg))]
pub struct TaskRow {
    /// Its id.
    pub id: i64,
    /// Its frame's project.
    pub project_id: i64,
    /// The frame that it makes a picture for.
    pub frame_id: i64,
    /// One of `protocol::TaskStatus`' names.
    pub status: String,
    /// Counts the starts.
    pub attempt: i32,
    /// JSON.
    pub parameters: String,
    /// 0 to 2^53 - 1.
    pub seed: i64,
    /// Why it failed.
    pub error: Option<String>,
    /// The queue is worked in this order, then in the order of ids.
    pub queue_order: i64,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub started_at: Option<i64>,
    /// Epoch milliseconds.
    pub finished_at: Option<i64>,
    /// How often the server ended without being stopped while it ran.
    pub unclean_ends: i32,
}

/// A row of `takes`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, Queryable, Selectable, Identifiable)]
#[diesel(table_name = takes)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite, diesel::pg::Pg))]
pub struct TakeRow {
    /// Its id.
    pub id: i64,
    /// Its frame's project.
    pub project_id: i64,
    /// Its frame.
    pub frame_id: i64,
    /// The task that makes it.
    pub task_id: i64,
    /// The picture is at `/media/<key>.png`.
    pub key: String,
    /// Pixels.
    pub width: i32,
    /// Pixels.
    pub height: i32,
    /// Hash of the final picture's bytes.
    pub etag: Option<String>,
    /// The sampling step that it was finished at.
    pub finished_step: Option<i32>,
    /// Epoch milliseconds.
    pub finished_at: Option<i64>,
    /// Epoch milliseconds.
    pub created_at: i64,
}

/// A row of `settings`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = settings)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite, diesel::pg::Pg))]
pub struct SettingRow {
    /// 1 to 64 characters.
    pub name: String,
    /// In a form that the setting's owner chooses.
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

/// A number on its way into a column.
pub(crate) fn stored(column: &'static str, value: u32) -> Result<i32, StoreError> {
    i32::try_from(value).map_err(|_| StoreError::Corrupt { column, value: value.to_string() })
}

/// A number on its way out of a column.
pub(crate) fn shown(column: &'static str, value: i32) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_| StoreError::Corrupt { column, value: value.to_string() })
}
