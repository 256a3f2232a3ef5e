//! Projects: list, read, make, change, delete, restore, purge.

use crate::clock::{now_ms, rfc3339_from_ms};
use crate::rows::{ProjectRow, shown, stored};
use crate::schema::{frames, projects, takes, tasks};
use crate::shows::OPEN;
use crate::store::{read, write};
use crate::unreadable::{load_readable, readable};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{NewProject, Project, ProjectId, ProjectPatch, TaskId, media_path};
use std::time::Duration;

/// What a purge removed for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// The projects.
    pub projects: Vec<ProjectId>,
    /// The keys of their takes: the pictures `<key>.png` have no row any more.
    pub take_keys: Vec<String>,
}

/// A project that a person deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedProject {
    /// What it was.
    pub project: Project,
    /// Its tasks that wait or run: the caller cancels them.
    pub open_tasks: Vec<TaskId>,
}

#[derive(Insertable)]
#[diesel(table_name = projects)]
struct InsertProject {
    name: String,
    width: i32,
    height: i32,
    fps: i32,
    created_at: i64,
    updated_at: i64,
}

#[derive(AsChangeset)]
#[diesel(table_name = projects)]
struct ChangeProject {
    name: Option<String>,
    width: Option<i32>,
    height: Option<i32>,
    fps: Option<i32>,
    updated_at: i64,
}

/// A project's row and the key of its cover.
type CoveredRow = (ProjectRow, Option<String>);

/// The key of a project's newest finished take on a frame that is not deleted: one look into the index
/// `takes_newest`, not a query for each project.
#[diesel::dsl::auto_type]
fn cover_key() -> _ {
    takes::table
        .inner_join(frames::table)
        .filter(takes::project_id.eq(projects::id))
        .filter(takes::finished_at.is_not_null())
        .filter(frames::deleted_at.is_null())
        .order((takes::finished_at.desc(), takes::id.desc()))
        .select(takes::key)
        .single_value()
}

/// A project and its cover, before any filter.
#[diesel::dsl::auto_type]
fn covered() -> _ {
    let columns: <projects::table as Table>::AllColumns = projects::all_columns;
    projects::table.select((columns, cover_key()))
}

/// A project's place in the list: where it stands by its last change, milliseconds since 1970, and its id.
pub type ProjectPlace = (i64, ProjectId);

/// A place as it is stored: a NULL is no place, and must not fail the list.
type StoredPlace = (Option<i64>, i64);

/// Those that can be read; the others are reported.
fn projects_from_rows(rows: Vec<CoveredRow>) -> Result<Vec<Project>, StoreError> {
    let mut listed = Vec::with_capacity(rows.len());
    for row in rows {
        listed.extend(readable("projects", row.0.id, project_from_row(row))?);
    }
    Ok(listed)
}

impl Store {
    /// As [`Store::list_projects`], from behind a place on, and so many at most. A project that has changed since then
    /// stands before that place. There are fewer only at the end of the list, also where rows that cannot be read are
    /// left out: a client takes a short part for the last one.
    pub async fn projects_after(&self, after: Option<ProjectPlace>, most: i64) -> Result<Vec<Project>, StoreError> {
        let (mut listed, mut after) = (Vec::new(), after);
        loop {
            let missing = most.saturating_sub(i64::try_from(listed.len()).unwrap_or(i64::MAX));
            let (places, rows) = self.part_of_projects(after, missing).await?;
            listed.extend(projects_from_rows(rows)?);
            let is_last = i64::try_from(places.len()).is_ok_and(|found| found < missing);
            let last = places.into_iter().rev().find_map(|(at, id)| at.map(|at| (at, ProjectId(id))));
            if is_last || last.is_none() || i64::try_from(listed.len()).is_ok_and(|found| found >= most) {
                return Ok(listed);
            }
            after = last;
        }
    }

    /// The places of so many projects at most from behind a place on, and the rows of those that can be decoded.
    async fn part_of_projects(
        &self,
        after: Option<ProjectPlace>,
        most: i64,
    ) -> Result<(Vec<StoredPlace>, Vec<CoveredRow>), StoreError> {
        read!(self, |conn| {
            let order = (projects::updated_at.desc(), projects::id.desc());
            let live = projects::deleted_at.is_null();
            let place = (projects::updated_at.nullable(), projects::id);
            let mut all = covered().filter(live).order(order).limit(most).into_boxed();
            let mut places = projects::table.filter(live).order(order).limit(most).select(place).into_boxed();
            if let Some((at, id)) = after {
                let behind = || projects::updated_at.lt(at).or(projects::updated_at.eq(at).and(projects::id.lt(id.0)));
                all = all.filter(behind());
                places = places.filter(behind());
            }
            let places: Vec<StoredPlace> = places.load(conn).await?;
            let rows = match all.load(conn).await {
                Err(diesel::result::Error::DeserializationError(_)) => {
                    let mut rows = Vec::with_capacity(places.len());
                    for (_, id) in &places {
                        let one = covered().filter(projects::id.eq(*id)).first(conn).await.map_err(StoreError::from);
                        rows.extend(readable("projects", *id, one)?);
                    }
                    rows
                }
                loaded => loaded?,
            };
            Ok((places, rows))
        })
    }

    /// Every project that is not deleted, the last changed first, with its cover.
    pub async fn list_projects(&self) -> Result<Vec<Project>, StoreError> {
        let rows: Vec<CoveredRow> = read!(self, |conn| {
            let order = (projects::updated_at.desc(), projects::id.desc());
            let live = projects::deleted_at.is_null();
            Ok(load_readable!(
                conn, "projects",
                all: covered().filter(live).order(order),
                ids: projects::table.filter(live).order(order).select(projects::id),
                one: |id| covered().filter(projects::id.eq(id)),
            ))
        })?;
        projects_from_rows(rows)
    }

    /// One project.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that id, or it is deleted.
    pub async fn project(&self, id: ProjectId) -> Result<Project, StoreError> {
        let row: Option<CoveredRow> = read!(self, |conn| {
            let found = covered().filter(projects::id.eq(id.0)).filter(projects::deleted_at.is_null());
            Ok(found.first(conn).await.optional()?)
        })?;
        project_from_row(row.ok_or_else(|| no_project(id))?)
    }

    /// Makes a project. `new` has been validated.
    pub async fn create_project(&self, new: NewProject) -> Result<Project, StoreError> {
        let now = now_ms();
        let row = InsertProject {
            width: stored("projects.width", new.width)?,
            height: stored("projects.height", new.height)?,
            fps: stored("projects.fps", new.fps)?,
            name: new.name,
            created_at: now,
            updated_at: now,
        };
        let row: ProjectRow = write!(self, |conn| {
            let insert = diesel::insert_into(projects::table).values(row).returning(projects::all_columns);
            insert.get_result(conn).await.map_err(StoreError::from)
        })?;
        project_from_row((row, None))
    }

    /// Changes what `patch` names and moves the project to the top of the list; an empty patch changes
    /// nothing. `patch` has been validated.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that id, or it is deleted.
    pub async fn update_project(&self, id: ProjectId, patch: ProjectPatch) -> Result<Project, StoreError> {
        if patch == ProjectPatch::default() {
            return self.project(id).await;
        }
        let change = ChangeProject {
            width: patch.width.map(|px| stored("projects.width", px)).transpose()?,
            height: patch.height.map(|px| stored("projects.height", px)).transpose()?,
            fps: patch.fps.map(|fps| stored("projects.fps", fps)).transpose()?,
            name: patch.name,
            updated_at: now_ms(),
        };
        let row: CoveredRow = write!(self, |conn| {
            let live = projects::table.find(id.0).filter(projects::deleted_at.is_null());
            if diesel::update(live).set(change).execute(conn).await? == 0 {
                return Err(no_project(id));
            }
            Ok(covered().filter(projects::id.eq(id.0)).first(conn).await?)
        })?;
        project_from_row(row)
    }

    /// Deletes a project; until it is purged it can be restored. Answers what it was.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that id, or it is deleted already.
    pub async fn delete_project(&self, id: ProjectId) -> Result<DeletedProject, StoreError> {
        let (row, open): (CoveredRow, Vec<i64>) = write!(self, |conn| {
            let live = projects::table.find(id.0).filter(projects::deleted_at.is_null());
            if diesel::update(live).set(projects::deleted_at.eq(now_ms())).execute(conn).await? == 0 {
                return Err(no_project(id));
            }
            let open = tasks::table.filter(tasks::project_id.eq(id.0)).filter(tasks::status.eq_any(OPEN));
            let open = open.order(tasks::id).select(tasks::id).load(conn).await?;
            Ok((covered().filter(projects::id.eq(id.0)).first(conn).await?, open))
        })?;
        let open_tasks = open.into_iter().map(TaskId).collect();
        Ok(DeletedProject { project: project_from_row(row)?, open_tasks })
    }

    /// Takes a deletion back: the project is as it was, at its old place in the list. One that is not deleted
    /// stays as it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that id, or it is purged.
    pub async fn restore_project(&self, id: ProjectId) -> Result<Project, StoreError> {
        let row: CoveredRow = write!(self, |conn| {
            let undeleted = projects::deleted_at.eq(None::<i64>);
            if diesel::update(projects::table.find(id.0)).set(undeleted).execute(conn).await? == 0 {
                return Err(no_project(id));
            }
            Ok(covered().filter(projects::id.eq(id.0)).first(conn).await?)
        })?;
        project_from_row(row)
    }

    /// Removes for good, with their frames, tasks and takes, the projects deleted at least `age` ago. The
    /// caller removes the pictures.
    pub async fn purge_projects(&self, age: Duration) -> Result<Purged, StoreError> {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let newest = now_ms().saturating_sub(age_ms);
        let (mut ids, take_keys): (Vec<i64>, Vec<String>) = write!(self, |conn| {
            // The update locks the rows on PostgreSQL: a restore that comes now waits and finds nothing,
            // instead of getting a project back whose pictures the caller is about to remove.
            let old = diesel::update(projects::table.filter(projects::deleted_at.le(newest)));
            let lock = old.set(projects::deleted_at.eq(projects::deleted_at)).returning(projects::id);
            let ids = lock.get_results::<i64>(conn).await?;
            let old_takes = takes::table.filter(takes::project_id.eq_any(ids.clone()));
            let take_keys = diesel::delete(old_takes).returning(takes::key).get_results(conn).await?;
            diesel::delete(projects::table.filter(projects::id.eq_any(ids.clone()))).execute(conn).await?;
            Ok((ids, take_keys))
        })?;
        ids.sort_unstable();
        Ok(Purged { projects: ids.into_iter().map(ProjectId).collect(), take_keys })
    }
}

pub(crate) fn no_project(id: ProjectId) -> StoreError {
    StoreError::NotFound { what: format!("project {id}") }
}

fn project_from_row((row, cover): CoveredRow) -> Result<Project, StoreError> {
    Ok(Project {
        id: ProjectId(row.id),
        name: row.name,
        width: shown("projects.width", row.width)?,
        height: shown("projects.height", row.height)?,
        fps: shown("projects.fps", row.fps)?,
        cover: cover.map(|key| media_path(&key)),
        created_at: rfc3339_from_ms("projects.created_at", row.created_at)?,
        updated_at: rfc3339_from_ms("projects.updated_at", row.updated_at)?,
    })
}
