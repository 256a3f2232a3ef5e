//! Emberline's database: projects, frames, tasks and takes, in SQLite or in PostgreSQL.
//!
//! One set of queries over one [`schema`] serves both. [`Store::open`] connects, migrates the tables, and refuses a
//! database that a newer version has migrated.
//!
//! Guarantees of every call:
//! - When it returns `Ok`, its change is on the disk. Killing the process afterwards loses nothing.
//! - When its future is dropped, it still runs to its end: no transaction stays open, and a change is applied completely
//!   or not at all.
//! - Its change is handed to the [`Subscriber`] once, in the order of the commits.
//! - Text is passed as bound values, never as SQL.
//! - Values are validated once, by `protocol`. The tables' constraints guard against mistakes.
//! - A row that cannot be read is skipped in every list and reported. It neither fails the call nor hides other rows.
//!
//! What a frame shows is computed in `shows.rs` and is not stored. A live frame always has something to show.

mod backend;
mod changes;
mod check;
mod claims;
mod clock;
mod copies;
mod creation;
mod deleted;
mod error;
mod frames;
mod idempotency;
mod inserts;
mod library;
mod lifecycle;
mod live;
mod locks;
mod log;
mod migrate;
mod moving;
mod needs;
mod next_task;
mod not_found;
mod objects;
mod offered;
mod order;
mod pauses;
mod projects;
mod queue;
mod recovery;
pub mod rows;
mod run_ends;
mod runs;
pub mod schema;
mod settings;
mod sharing;
mod shows;
mod steering;
mod store;
mod styles;
mod takes;
mod tasks;
mod timing;
mod trace_objects;
mod transaction;
mod turns;
mod unreadable;
mod url;

pub use changes::{Change, LogEntry, Subscriber};
pub use claims::{Claim, OpenTask};
pub use copies::FinishedTake;
pub use creation::{Created, NewTasks};
pub use error::{OpenFault, StoreError};
pub use frames::DeletedFrame;
pub use idempotency::Idempotency;
pub use inserts::NewTake;
pub use library::FinishedRecipe;
pub use lifecycle::{End, Ended};
pub use live::{Live, Run};
pub use moving::{CopiedRows, MovedTake, MovedTrace};
pub use needs::{FileKind, FindNeeds, NeededFile, Needs, OwnFiles};
pub use objects::{FinalPicture, PicturePlaces};
pub use projects::{DeletedProject, ProjectPlace, Purged};
pub use recovery::{Forgotten, TakeFile, TakeRecord};
pub use run_ends::RunEnd;
pub use sharing::{
    About, Asked, Health, Kept, Measured, NewPreview, OwnProcess, Process, Renewed, RequestState, RunRequest, RunsNow,
    SharedExports, SharedSessions, SharedStart, Showing, Wishes,
};
pub use store::{Store, WeakStore};
pub use takes::KeyedTake;
pub use tasks::TaskFilter;
pub use trace_objects::{ListedTrace, TraceKind, TraceObject};
pub use turns::{Waits, turns};
pub use unreadable::UnreadableRow;
pub use url::{has_log_alone, sqlite_file};
