//! Projects.

use crate::{LocalStudio, problem::problem};
use protocol::{BinProject, NewProject, Problem, Project, ProjectId, ProjectPatch};
use store::{DeletedProject, ProjectPlace};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

impl LocalStudio {
    pub(crate) async fn list_projects(&self, after: Option<&str>, limit: usize) -> Result<Vec<Project>, Problem> {
        let after = after.map(|place| parse_place(place).ok_or_else(bad_place)).transpose()?;
        self.store.list_projects(after, i64::try_from(limit).unwrap_or(i64::MAX)).await.map_err(problem)
    }

    pub(crate) async fn get_project(&self, id: ProjectId) -> Result<Project, Problem> {
        self.store.get_project(id).await.map_err(problem)
    }

    pub(crate) async fn create_project(&self, new: NewProject) -> Result<Project, Problem> {
        self.store.create_project(new.validated()?).await.map_err(problem)
    }

    pub(crate) async fn update_project(&self, id: ProjectId, patch: ProjectPatch) -> Result<Project, Problem> {
        self.store.update_project(id, patch.validated()?).await.map_err(problem)
    }

    /// Soft-deletes a project and cancels its open tasks, whose results nobody would see.
    pub(crate) async fn delete_project(&self, id: ProjectId) -> Result<Project, Problem> {
        let DeletedProject { project, open_tasks } = self.store.delete_project(id).await.map_err(problem)?;
        self.cancel_tasks(open_tasks).await;
        Ok(project)
    }

    pub(crate) async fn list_deleted_projects(&self) -> Result<Vec<BinProject>, Problem> {
        self.store.deleted_projects().await.map_err(problem)
    }

    pub(crate) async fn restore_project(&self, id: ProjectId) -> Result<Project, Problem> {
        self.store.restore_project(id).await.map_err(problem)
    }
}

/// Parses a cursor made by [`Project::place`]: the time of the last change and the id.
fn parse_place(place: &str) -> Option<ProjectPlace> {
    let (changed, id) = place.split_once('_')?;
    let changed = OffsetDateTime::parse(changed, &Rfc3339).ok()?;
    let milliseconds = i64::try_from(changed.unix_timestamp_nanos() / 1_000_000).ok()?;
    Some((milliseconds, id.parse().ok()?))
}

fn bad_place() -> Problem {
    Problem::invalid("after", "must be a place in this list, as given by the Link header of the previous part")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_parsed_as_it_is_written() {
        let project = Project {
            id: ProjectId(17),
            name: "x".to_owned(),
            width: 64,
            height: 64,
            fps: 1,
            cover: None,
            created_at: String::new(),
            updated_at: "2025-11-22T10:00:00.007Z".to_owned(),
        };
        // `date -u -d @1763805600` says 2025-11-22 10:00:00.
        assert_eq!(parse_place(&project.place()), Some((1_763_805_600_007, ProjectId(17))));
        for bad in ["", "17", "_17", "2025-11-22T10:00:00Z_", "2025-11-22T10:00:00Z_x", "x_17", "\0_1"] {
            assert_eq!(parse_place(bad), None, "{bad:?}");
        }
    }
}
