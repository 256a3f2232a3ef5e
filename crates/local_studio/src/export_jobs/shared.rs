//! Exports of several servers on one database. Each runs those that it was asked for, and writes what becomes of them to their rows, so
//! that all servers can list, download and delete them.

use super::{
    Exports, KEPT, Pictures,
    jobs::{Job, Jobs},
    new_job, remove_file, unfinished,
};
use crate::problem::problem;
use protocol::{Export, ExportFormat, ExportId, Problem, ProjectId, TaskStatus};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    fs,
    sync::Arc,
    time::{Duration, SystemTime},
};
use store::SharedExports;
use studio::ExportFile;

/// How often the row of an export follows what becomes of it.
const FOLLOW: Duration = Duration::from_millis(500);

/// A file without a row is removed when it is this old: a server may be about to add the row.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// Why the export of a server that is gone failed.
const LOST: &str = "the server that made it is gone; export it again";

/// What a row has.
#[derive(Deserialize, Serialize)]
struct Stored {
    export: Export,
    file_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<String>,
}

impl Stored {
    fn of(job: &Job) -> Self {
        Self { export: job.export.clone(), file_name: job.file_name.clone(), object: job.object.clone() }
    }

    fn text(&self) -> String {
        // A struct of numbers and texts.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// None for the row of a newer version.
    fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl Exports {
    /// As [`Exports::create`], with the limits of all servers together.
    ///
    /// # Errors
    /// Too many exports are queued or running, or the database does not answer.
    pub async fn create_anywhere(
        self: &Arc<Self>,
        project: ProjectId,
        name: &str,
        format: ExportFormat,
        pictures: Pictures,
    ) -> Result<Export, Problem> {
        let Some(rows) = self.shared.clone() else { return self.create(project, name, format, pictures) };
        rows.fail_lost(LOST).await.map_err(problem)?;
        let (all, of_it) = rows.open(project).await.map_err(problem)?;
        Jobs::check_open(all, of_it)?;
        let id = rows.next_id().await.map_err(problem)?;
        let job = new_job(id, project, name, format, &pictures);
        let stored = Stored::of(&job);
        rows.add(id, project, &stored.text()).await.map_err(problem)?;
        self.lock().all.insert(id, job);
        self.start(id, pictures);
        for old in rows.delete_old(u32::try_from(KEPT).unwrap_or(u32::MAX)).await.map_err(problem)? {
            self.remove_files(&old);
        }
        tokio::spawn(Arc::clone(self).follow(rows, id));
        Ok(stored.export)
    }

    /// Writes what becomes of an export to its row, until it has ended or is deleted.
    async fn follow(self: Arc<Self>, rows: SharedExports, id: ExportId) {
        loop {
            let stored = self.lock().all.get(&id).map(Stored::of);
            let Some(stored) = stored else { return };
            let is_open = stored.export.status.is_open();
            match rows.put(id, &stored.text(), is_open).await {
                // Another server deleted it.
                Ok(false) => _ = self.delete(id),
                Ok(true) if !is_open => _ = self.lock().all.remove(&id),
                // The database is away: the file stays, and the row follows later.
                Ok(true) | Err(_) => {}
            }
            tokio::time::sleep(FOLLOW).await;
        }
    }

    /// An export of any server.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn get_anywhere(&self, id: ExportId) -> Result<Option<Export>, Problem> {
        let own = self.get(id);
        let Some(rows) = self.shared.as_ref().filter(|_| own.is_none()) else { return Ok(own) };
        rows.fail_lost(LOST).await.map_err(problem)?;
        let text = rows.get(id).await.map_err(problem)?;
        Ok(text.as_deref().and_then(Stored::read).map(|stored| stored.export))
    }

    /// A project's exports of all servers, newest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn list_anywhere(&self, project: ProjectId) -> Result<Vec<Export>, Problem> {
        let Some(rows) = &self.shared else { return Ok(self.list(project)) };
        rows.fail_lost(LOST).await.map_err(problem)?;
        let texts = rows.list(project).await.map_err(problem)?;
        let stored = texts.iter().filter_map(|text| Stored::read(text)).map(|stored| stored.export);
        Ok(stored.map(|export| self.get(export.id).unwrap_or(export)).collect())
    }

    /// The file of a finished export of any server.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn file_anywhere(&self, id: ExportId) -> Result<Option<ExportFile>, Problem> {
        let own = self.get_file(id);
        let Some(rows) = self.shared.as_ref().filter(|_| own.is_none()) else { return Ok(own) };
        let stored = rows.get(id).await.map_err(problem)?.as_deref().and_then(Stored::read);
        let stored = stored.filter(|stored| stored.export.status == TaskStatus::Completed);
        let Some(Stored { export, file_name, object }) = stored else { return Ok(None) };
        self.fetch(&export, object.as_deref()).await?;
        Ok(Some(ExportFile { path: self.path(id, export.format), file_name, format: export.format }))
    }

    /// Cancels an export of any server if it is open, and removes it with its file. Returns whether it existed.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn delete_anywhere(&self, id: ExportId) -> Result<bool, Problem> {
        let Some(rows) = &self.shared else { return Ok(self.delete(id)) };
        let deleted = rows.delete(id).await.map_err(problem)?;
        self.delete(id);
        if let Some(text) = &deleted {
            self.remove_files(text);
        }
        Ok(deleted.is_some())
    }

    /// Removes files that no row names: their server was killed before it could. Nothing where one server empties the folder at its
    /// start. Several servers may do it at the same time.
    pub async fn remove_forgotten(&self) {
        let Some(rows) = &self.shared else { return };
        let Ok(ids) = rows.ids().await else { return };
        let ids: HashSet<String> = ids.iter().map(ToString::to_string).collect();
        let is_old = |file: &fs::DirEntry| {
            let changed = file.metadata().and_then(|file| file.modified());
            changed.is_ok_and(|changed| SystemTime::now().duration_since(changed).is_ok_and(|age| age > FORGOTTEN))
        };
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for file in files.filter(is_old) {
            let path = file.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if stem.bytes().all(|digit| digit.is_ascii_digit()) && !ids.contains(stem) {
                remove_file(&path);
            }
        }
    }

    fn remove_files(&self, text: &str) {
        let Some(Stored { export, object, .. }) = Stored::read(text) else { return };
        self.delete_object(object);
        let path = self.path(export.id, export.format);
        remove_file(&path);
        remove_file(&unfinished(&path));
    }
}
