//! Rows as they are stored: integers for ids and times, text for statuses. [`crate::Store`]'s methods turn
//! them into what readers want.

use crate::schema::{frames, projects, takes, tasks};
use diesel::prelude::*;

/// A row of `projects`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Identifiable)]
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
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Identifiable)]
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
}

/// A row of `tasks`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Identifiable)]
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
}

/// A row of `takes`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Identifiable)]
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
