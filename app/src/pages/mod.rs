//! One file a page.

mod problem;
mod project;
mod projects;

pub use problem::NotFoundPage;
pub use project::ProjectPage;
pub use projects::ProjectsPage;
