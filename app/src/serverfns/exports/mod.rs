//! Exports.

mod create;
mod delete;
mod get;
mod list;

pub use create::{CreateExport, create_export};
pub use delete::{DeleteExport, delete_export};
pub use get::{GetExport, get_export};
pub use list::{ListExports, list_exports};
