//! Projects.

mod create;
mod delete;
mod list;
mod restore;
mod update;

pub use create::{CreateProject, create_project};
pub use delete::{DeleteProject, delete_project};
pub use list::{ListProjects, list_projects};
pub use restore::{RestoreProject, restore_project};
pub use update::{UpdateProject, update_project};
