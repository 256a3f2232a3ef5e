//! The pages, one file each.

mod problem;
mod projects;
mod studio;

pub use problem::ProblemPage;
pub use projects::ProjectsPage;
#[cfg(feature = "hydrate")]
pub use studio::fetch as fetch_studio;
pub use studio::studio_page;
