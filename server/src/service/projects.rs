//! Projects.

use super::{StudioServices, problem::problem};
use protocol::{Event, NewProject, Problem, Project, ProjectId, ProjectPatch, ProjectUpdated};
use store::DeletedProject;

impl StudioServices {
    fn tell_project(&self, project: &Project, deleted: bool) {
        self.publish(Event::ProjectUpdated(ProjectUpdated { project: project.clone(), deleted }));
    }

    pub(super) async fn list_projects(&self) -> Result<Vec<Project>, Problem> {
        self.store.list_projects().await.map_err(problem)
    }

    pub(super) async fn read_project(&self, id: ProjectId) -> Result<Project, Problem> {
        self.store.project(id).await.map_err(problem)
    }

    pub(super) async fn make_project(&self, new: NewProject) -> Result<Project, Problem> {
        let project = self.store.create_project(new.validated()?).await.map_err(problem)?;
        self.tell_project(&project, false);
        Ok(project)
    }

    pub(super) async fn change_project(&self, id: ProjectId, patch: ProjectPatch) -> Result<Project, Problem> {
        let project = self.store.update_project(id, patch.validated()?).await.map_err(problem)?;
        self.tell_project(&project, false);
        Ok(project)
    }

    /// Deletes a project softly. What it still generates is cancelled: nobody would see it.
    pub(super) async fn remove_project(&self, id: ProjectId) -> Result<Project, Problem> {
        let DeletedProject { project, open_tasks } = self.store.delete_project(id).await.map_err(problem)?;
        self.tell_project(&project, true);
        self.cancel_each(open_tasks).await;
        Ok(project)
    }

    pub(super) async fn bring_project_back(&self, id: ProjectId) -> Result<Project, Problem> {
        let project = self.store.restore_project(id).await.map_err(problem)?;
        self.tell_project(&project, false);
        Ok(project)
    }
}
