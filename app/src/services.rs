//! What the pages ask of the server: one trait, put into Leptos' context by the binary. The pages know
//! neither the database nor the engine.

use async_trait::async_trait;
use protocol::{NewProject, Problem, Project, ProjectId, ProjectPatch};
use std::sync::Arc;

/// The services as the context carries them.
pub type SharedServices = Arc<dyn Services>;

/// Everything that a page can ask for or change.
#[async_trait]
pub trait Services: Send + Sync {
    /// All projects that are not deleted, newest change first.
    async fn projects(&self) -> Result<Vec<Project>, Problem>;
    /// One project that is not deleted.
    async fn project(&self, id: ProjectId) -> Result<Project, Problem>;
    /// Makes a project.
    async fn create_project(&self, new: NewProject) -> Result<Project, Problem>;
    /// Changes a project.
    async fn update_project(&self, id: ProjectId, patch: ProjectPatch) -> Result<Project, Problem>;
    /// Deletes a project; it can be restored for a while.
    async fn delete_project(&self, id: ProjectId) -> Result<Project, Problem>;
    /// Takes a deletion back; restoring a project that is not deleted changes nothing.
    async fn restore_project(&self, id: ProjectId) -> Result<Project, Problem>;
}
