//! What the studio can do, once, for the server functions and the HTTP API alike: validate, store, tell.

use crate::ws::Hub;
use app::services::Services;
use async_trait::async_trait;
use protocol::{Event, NewProject, Problem, Project, ProjectId, ProjectPatch, ProjectUpdated};
use std::sync::Arc;
use store::{Store, StoreError};

/// The services over a database and the event hub.
#[derive(Debug)]
pub struct StudioServices {
    store: Store,
    hub: Arc<Hub>,
}

impl StudioServices {
    /// Services that store in `store` and announce on `hub`.
    pub fn new(store: Store, hub: Arc<Hub>) -> Self {
        Self { store, hub }
    }

    fn announce(&self, project: &Project, deleted: bool) {
        self.hub.publish(Event::ProjectUpdated(ProjectUpdated { project: project.clone(), deleted }));
    }
}

#[async_trait]
impl Services for StudioServices {
    async fn projects(&self) -> Result<Vec<Project>, Problem> {
        self.store.list_projects().await.map_err(problem)
    }

    async fn project(&self, id: ProjectId) -> Result<Project, Problem> {
        self.store.project(id).await.map_err(problem)
    }

    async fn create_project(&self, new: NewProject) -> Result<Project, Problem> {
        let project = self.store.create_project(new.validated()?).await.map_err(problem)?;
        self.announce(&project, false);
        Ok(project)
    }

    async fn update_project(&self, id: ProjectId, patch: ProjectPatch) -> Result<Project, Problem> {
        let project = self.store.update_project(id, patch.validated()?).await.map_err(problem)?;
        self.announce(&project, false);
        Ok(project)
    }

    async fn delete_project(&self, id: ProjectId) -> Result<Project, Problem> {
        let project = self.store.delete_project(id).await.map_err(problem)?;
        self.announce(&project, true);
        Ok(project)
    }

    async fn restore_project(&self, id: ProjectId) -> Result<Project, Problem> {
        let project = self.store.restore_project(id).await.map_err(problem)?;
        self.announce(&project, false);
        Ok(project)
    }
}

/// The database's errors in words for people; the one place where they are logged.
fn problem(error: StoreError) -> Problem {
    match error {
        StoreError::NotFound { what } => Problem::NotFound(what),
        StoreError::Busy => {
            tracing::warn!("the database stayed locked past its timeout");
            Problem::Unavailable("the database is busy; try again".to_owned())
        }
        StoreError::DiskFull => {
            tracing::error!("the database's disk is full");
            Problem::Unavailable("the server's disk is full; nothing was changed".to_owned())
        }
        StoreError::Closed => Problem::Unavailable("the server is stopping".to_owned()),
        other => {
            tracing::error!(error = &other as &dyn std::error::Error, "the database failed");
            Problem::Internal
        }
    }
}
