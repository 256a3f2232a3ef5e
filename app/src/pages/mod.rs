//! The pages, one file each.

mod bin;
mod library;
mod problem;
mod projects;
mod studio;

pub use bin::BinPage;
#[cfg(feature = "hydrate")]
pub use library::fetch as fetch_library;
pub use library::library_page;
pub use problem::ProblemPage;
pub use projects::ProjectsPage;
#[cfg(feature = "hydrate")]
pub use studio::fetch as fetch_studio;
pub use studio::studio_page;
