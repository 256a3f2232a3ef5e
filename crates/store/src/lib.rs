//! Emberline's database: projects, frames, tasks and takes, in SQLite or in PostgreSQL.
//!
//! One set of queries over one [`schema`] serves both. [`Store::open`] takes the address, brings the tables
//! up to date and refuses a database that a newer version has changed.
//!
//! What holds for every call:
//! - A call that answers `Ok` has reached the disk. Killing the process afterwards loses nothing.
//! - A call whose future is dropped runs to its end all the same: no transaction stays open, and the change
//!   is made whole or not at all.
//! - Text goes in as a bound value, never as SQL.
//! - Nothing is validated twice: `protocol` judges requests, the tables' constraints guard against mistakes.
//! - A row that cannot be read is left out of every list and reported: it neither fails the call nor hides the
//!   other rows.
//!
//! What a frame shows is computed, in `shows.rs` alone, and is in no column. A frame that is not deleted always
//! has something to show.

mod backend;
mod check;
mod clock;
mod creation;
mod error;
mod frames;
mod lifecycle;
mod migrate;
mod projects;
mod queue;
mod recovery;
pub mod rows;
pub mod schema;
mod settings;
mod shows;
mod store;
mod takes;
mod tasks;
mod unreadable;
mod url;

pub use creation::{Created, Idempotency, NewTake, NewTasks};
pub use error::{OpenFault, StoreError};
pub use frames::{DeletedFrame, FinishedTake};
pub use lifecycle::{Claim, End, Ended, OpenTask};
pub use projects::{DeletedProject, ProjectPlace, Purged};
pub use recovery::{Forgotten, TakeFile, TakeRecord};
pub use store::Store;
pub use takes::{DeletedTake, KeyedTake};
pub use tasks::TaskFilter;
pub use unreadable::UnreadableRow;
pub use url::{has_log_alone, sqlite_file};
