//! Projects: list, read, create, update, delete, restore, purge.

use crate::changes::{Change, Outcome};
use crate::clock::{now_ms, rfc3339_from_ms};
use crate::not_found::no_project;
use crate::rows::{ProjectRow, from_column, to_column};
use crate::schema::{frames, projects, takes, tasks};
use crate::shows::OPEN;
use crate::transaction::{change, on_connections, read, write};
use crate::unreadable::{load_readable, readable};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{Event, NewProject, Project, ProjectId, ProjectPatch, ProjectUpdated, TaskId, media_path};
use std::time::Duration;

/// What a purge deleted for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// The projects.
    pub projects: Vec<ProjectId>,
    /// The keys of their takes: the caller removes the files `<key>.png`.
    pub take_keys: Vec<String>,
}

/// A project that a user deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedProject {
    /// The project before its deletion.
    pub project: Project,
    /// Its queued and running tasks: the caller cancels them.
    pub open_tasks: Vec<TaskId>,
}

#[derive(Insertable)]
#[diesel(table_name = projects)]
pub(crate) struct InsertProject {
    name: String,
    width: i32,
    height: i32,
    fps: i32,
    created_at: i64,
    updated_at: i64,
}

#[derive(AsChangeset)]
#[diesel(table_name = projects)]
pub(crate) struct ChangeProject {
    name: Option<String>,
    width: Option<i32>,
    height: Option<i32>,
    fps: Option<i32>,
    updated_at: i64,
}

/// A project's row and the key of its cover picture.
pub(crate) type CoveredRow = (ProjectRow, Option<String>);

/// The key of a project's newest finished take on a live frame. A subquery that uses the index `takes_newest`, so that
/// a list needs one query and not one for each project.
#[diesel::dsl::auto_type]
pub(crate) fn cover_key() -> _ {
    takes::table
        .inner_join(frames::table)
        .filter(takes::project_id.eq(projects::id))
        .filter(takes::finished_at.is_not_null())
        .filter(takes::deleted_at.is_null())
        .filter(frames::deleted_at.is_null())
        .order((takes::finished_at.desc(), takes::id.desc()))
        .select(takes::key)
        .single_value()
}

/// Projects with their covers, without a filter.
#[diesel::dsl::auto_type]
pub(crate) fn covered() -> _ {
    let columns: <projects::table as Table>::AllColumns = projects::all_columns;
    projects::table.select((columns, cover_key()))
}

/// A project that was created, changed or restored.
pub(crate) struct LiveProject(Project);

impl Outcome for LiveProject {
    fn changes(&self) -> Vec<Change> {
        vec![Event::ProjectUpdated(ProjectUpdated { project: self.0.clone(), deleted: false }).into()]
    }
}

impl Outcome for DeletedProject {
    fn changes(&self) -> Vec<Change> {
        let event = Event::ProjectUpdated(ProjectUpdated { project: self.project.clone(), deleted: true });
        // The open tasks of a deleted project are not in the queue.
        let queue = (!self.open_tasks.is_empty()).then_some(Change::Queue);
        [event.into()].into_iter().chain(queue).collect()
    }
}

on_connections! {
    trait ProjectQueries;

    /// See [`Store::create_project`].
    async fn insert_project(conn: Db, row: InsertProject) -> Result<LiveProject, StoreError> {
        let insert = diesel::insert_into(projects::table).values(row).returning(projects::all_columns);
        let row: ProjectRow = insert.get_result(conn).await?;
        Ok(LiveProject(project_from_row((row, None))?))
    }

    /// See [`Store::update_project`]; without a change the project stays as it is.
    async fn patch_project(conn: Db, id: ProjectId, change: Option<ChangeProject>) -> Result<LiveProject, StoreError> {
        let live = projects::table.find(id.0).filter(projects::deleted_at.is_null());
        if let Some(change) = change {
            diesel::update(live).set(change).execute(conn).await?;
        }
        let live = covered().filter(projects::id.eq(id.0)).filter(projects::deleted_at.is_null());
        let row: Option<CoveredRow> = live.first(conn).await.optional()?;
        Ok(LiveProject(project_from_row(row.ok_or_else(|| no_project(id))?)?))
    }

    /// See [`Store::delete_project`].
    async fn soft_delete_project(conn: Db, id: ProjectId) -> Result<DeletedProject, StoreError> {
        let live = projects::table.find(id.0).filter(projects::deleted_at.is_null());
        if diesel::update(live).set(projects::deleted_at.eq(now_ms())).execute(conn).await? == 0 {
            return Err(no_project(id));
        }
        let open = tasks::table.filter(tasks::project_id.eq(id.0)).filter(tasks::status.eq_any(OPEN));
        let open: Vec<i64> = open.order(tasks::id).select(tasks::id).load(conn).await?;
        let row: CoveredRow = covered().filter(projects::id.eq(id.0)).first(conn).await?;
        Ok(DeletedProject { project: project_from_row(row)?, open_tasks: open.into_iter().map(TaskId).collect() })
    }

    /// See [`Store::restore_project`].
    async fn undelete_project(conn: Db, id: ProjectId) -> Result<LiveProject, StoreError> {
        let undeleted = projects::deleted_at.eq(None::<i64>);
        if diesel::update(projects::table.find(id.0)).set(undeleted).execute(conn).await? == 0 {
            return Err(no_project(id));
        }
        let row: CoveredRow = covered().filter(projects::id.eq(id.0)).first(conn).await?;
        Ok(LiveProject(project_from_row(row)?))
    }
}

/// A project's position in the list: the time of its last change (epoch milliseconds) and its id.
pub type ProjectPlace = (i64, ProjectId);

/// A position as stored: a NULL must not fail the list.
type StoredPlace = (Option<i64>, i64);

/// The projects of the rows that can be read; the others are reported.
fn projects_from_rows(rows: Vec<CoveredRow>) -> Result<Vec<Project>, StoreError> {
    let mut listed = Vec::with_capacity(rows.len());
    for row in rows {
        listed.extend(readable("projects", row.0.id, project_from_row(row))?);
    }
    Ok(listed)
}

impl Store {
    /// One page of [`Store::list_projects`]: at most `most` projects after a position. A project that changed since the
    /// previous page comes before that position. A page is shorter only at the end of the list, even where unreadable
    /// rows are skipped: clients take a short page for the last one.
    pub async fn list_projects(&self, after: Option<ProjectPlace>, most: i64) -> Result<Vec<Project>, StoreError> {
        let (mut listed, mut after) = (Vec::new(), after);
        loop {
            let missing = most.saturating_sub(i64::try_from(listed.len()).unwrap_or(i64::MAX));
            let (places, rows) = self.page_of_projects(after, missing).await?;
            listed.extend(projects_from_rows(rows)?);
            let is_last = i64::try_from(places.len()).is_ok_and(|found| found < missing);
            let last = places.into_iter().rev().find_map(|(at, id)| at.map(|at| (at, ProjectId(id))));
            if is_last || last.is_none() || i64::try_from(listed.len()).is_ok_and(|found| found >= most) {
                return Ok(listed);
            }
            after = last;
        }
    }

    /// The positions of at most `most` projects after a position, and the rows that can be decoded.
    async fn page_of_projects(
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

    /// All live projects with their covers, last changed first.
    pub async fn all_projects(&self) -> Result<Vec<Project>, StoreError> {
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
    /// [`StoreError::NotFound`] when it does not exist or is deleted.
    pub async fn get_project(&self, id: ProjectId) -> Result<Project, StoreError> {
        let row: Option<CoveredRow> = read!(self, |conn| {
            let found = covered().filter(projects::id.eq(id.0)).filter(projects::deleted_at.is_null());
            Ok(found.first(conn).await.optional()?)
        })?;
        project_from_row(row.ok_or_else(|| no_project(id))?)
    }

    /// Creates a project. `new` must be validated.
    pub async fn create_project(&self, new: NewProject) -> Result<Project, StoreError> {
        let now = now_ms();
        let row = InsertProject {
            width: to_column("projects.width", new.width)?,
            height: to_column("projects.height", new.height)?,
            fps: to_column("projects.fps", new.fps)?,
            name: new.name,
            created_at: now,
            updated_at: now,
        };
        Ok(change!(self, |conn| { conn.insert_project(row).await })?.0)
    }

    /// Changes the fields that are set in `patch` and moves the project to the top of the list. An empty patch changes
    /// nothing. `patch` must be validated.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it does not exist or is deleted.
    pub async fn update_project(&self, id: ProjectId, patch: ProjectPatch) -> Result<Project, StoreError> {
        let is_empty = patch == ProjectPatch::default();
        let change = ChangeProject {
            width: patch.width.map(|px| to_column("projects.width", px)).transpose()?,
            height: patch.height.map(|px| to_column("projects.height", px)).transpose()?,
            fps: patch.fps.map(|fps| to_column("projects.fps", fps)).transpose()?,
            name: patch.name,
            updated_at: now_ms(),
        };
        Ok(change!(self, |conn| { conn.patch_project(id, (!is_empty).then_some(change)).await })?.0)
    }

    /// Deletes a project. It can be restored until it is purged.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it does not exist or is deleted already.
    pub async fn delete_project(&self, id: ProjectId) -> Result<DeletedProject, StoreError> {
        change!(self, |conn| { conn.soft_delete_project(id).await })
    }

    /// Restores a deleted project at its old place in the list. A project that is not deleted stays as it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it does not exist or is purged.
    pub async fn restore_project(&self, id: ProjectId) -> Result<Project, StoreError> {
        Ok(change!(self, |conn| { conn.undelete_project(id).await })?.0)
    }

    /// Deletes for good, with their frames, tasks and takes, the projects that were deleted at least `age` ago. The
    /// caller removes the pictures.
    pub async fn purge_projects(&self, age: Duration) -> Result<Purged, StoreError> {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let newest = now_ms().saturating_sub(age_ms);
        let (mut ids, take_keys): (Vec<i64>, Vec<String>) = write!(self, |conn| {
            // The update locks the rows on PostgreSQL: a concurrent restore waits and then finds nothing. Without the
            // lock it would restore a project whose pictures the caller is about to remove.
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

pub(crate) fn project_from_row((row, cover): CoveredRow) -> Result<Project, StoreError> {
    Ok(Project {
        id: ProjectId(row.id),
        name: row.name,
        width: from_column("projects.width", row.width)?,
        height: from_column("projects.height", row.height)?,
        fps: from_column("projects.fps", row.fps)?,
        cover: cover.map(|key| media_path(&key)),
        created_at: rfc3339_from_ms("projects.created_at", row.created_at)?,
        updated_at: rfc3339_from_ms("projects.updated_at", row.updated_at)?,
    })
}
