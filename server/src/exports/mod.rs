//! Exports under way, and their files. They live in memory and in a folder of the data folder that each start
//! empties: what an export is made from stays, so that it can be made again.

mod jobs;

use ::export::{Error, Format, Sequence};
use jobs::{Job, Jobs};
use protocol::{Export, ExportFormat, ExportId, Problem, ProjectId, TaskStatus};
use std::{
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::Semaphore;

/// Exports that are kept, with their files; the oldest that has ended goes for a new one.
const KEPT: usize = 20;

/// Every export since the start.
#[derive(Debug)]
pub struct Exports {
    folder: PathBuf,
    jobs: Mutex<Jobs>,
    /// One at a time: encoders take a core each, and the sampler wants them all.
    turn: Semaphore,
}

/// A finished file.
#[derive(Debug)]
pub struct Finished {
    /// Where it is.
    pub path: PathBuf,
    /// What it is called for whoever takes it.
    pub file_name: String,
    /// What kind of file it is.
    pub format: ExportFormat,
}

impl Exports {
    /// Over an empty folder, which is made. Ids count from `first`, which no earlier start has reached.
    ///
    /// # Errors
    /// A folder that cannot be emptied or made.
    pub fn open(folder: PathBuf, first: ExportId) -> io::Result<Self> {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(&folder)?,
        }
        Ok(Self { folder, jobs: Mutex::new(Jobs::starting_at(first)), turn: Semaphore::new(1) })
    }

    /// The formats that this machine can make.
    pub fn formats() -> Vec<ExportFormat> {
        // Asked once: it starts a process.
        static HAS_FFMPEG: OnceLock<bool> = OnceLock::new();
        let can = |format: &ExportFormat| *format != ExportFormat::Mp4 || *HAS_FFMPEG.get_or_init(::export::has_ffmpeg);
        ExportFormat::ALL.into_iter().filter(can).collect()
    }

    /// Begins an export, or queues it behind others.
    ///
    /// # Errors
    /// Too many wait or run already.
    pub fn start(
        self: &Arc<Self>,
        project: ProjectId,
        name: &str,
        format: ExportFormat,
        sequence: Sequence,
        skipped: u32,
    ) -> Result<Export, Problem> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let export = {
            let mut jobs = self.lock();
            jobs.check_room(project)?;
            let now = OffsetDateTime::now_utc();
            let id = jobs.next_id();
            let export = Export {
                id,
                project_id: project,
                format,
                status: TaskStatus::Queued,
                done: 0,
                total: u32::try_from(sequence.stills.len()).unwrap_or(u32::MAX),
                skipped,
                path: None,
                bytes: None,
                error: None,
                created_at: now.format(&Rfc3339).unwrap_or_default(),
            };
            let file_name = file_name(name, format);
            jobs.all.insert(id, Job { export: export.clone(), file_name, cancelled: Arc::clone(&cancelled) });
            export
        };
        self.forget_old();
        let (exports, id) = (Arc::clone(self), export.id);
        tokio::spawn(async move { exports.make(id, format, sequence, cancelled).await });
        Ok(export)
    }

    /// One export.
    pub fn get(&self, id: ExportId) -> Option<Export> {
        self.lock().all.get(&id).map(|job| job.export.clone())
    }

    /// A project's exports, newest first.
    pub fn of_project(&self, project: ProjectId) -> Vec<Export> {
        let jobs = self.lock();
        jobs.all.values().rev().map(|job| job.export.clone()).filter(|export| export.project_id == project).collect()
    }

    /// The file of a finished export.
    pub fn file(&self, id: ExportId) -> Option<Finished> {
        let jobs = self.lock();
        let job = jobs.all.get(&id).filter(|job| job.export.status == TaskStatus::Completed)?;
        let format = job.export.format;
        Some(Finished { path: self.path(id, format), file_name: job.file_name.clone(), format })
    }

    /// Stops an export if it runs, and removes it and its file, also one that is being written. Whether there was one.
    pub fn remove(&self, id: ExportId) -> bool {
        let Some(job) = self.lock().all.remove(&id) else { return false };
        job.cancelled.store(true, Ordering::Relaxed);
        let path = self.path(id, job.export.format);
        remove_file(&path);
        // Its disk space is free once the encoder has ended, which it hears of within milliseconds. Where a file that is open
        // cannot be removed, the encoder's end removes it.
        _ = fs::remove_file(unfinished(&path));
        true
    }

    /// Stops all that run: the process waits for them at its end.
    pub fn stop(&self) {
        self.lock().all.values().for_each(|job| job.cancelled.store(true, Ordering::Relaxed));
    }

    async fn make(self: Arc<Self>, id: ExportId, format: ExportFormat, sequence: Sequence, cancelled: Arc<AtomicBool>) {
        let Ok(_turn) = self.turn.acquire().await else { return };
        if cancelled.load(Ordering::Relaxed) {
            return self.update(id, |export| export.status = TaskStatus::Cancelled);
        }
        self.update(id, |export| export.status = TaskStatus::Running);
        let (exports, out) = (Arc::clone(&self), self.path(id, format));
        let written = tokio::task::spawn_blocking(move || {
            let result = exports.write(id, format, &sequence, &out, &cancelled);
            if result.is_err() {
                remove_file(&out);
            }
            result
        });
        let ended = match written.await {
            Ok(ended) => ended,
            Err(_) => Err(Error::Encode("the server failed".to_owned())),
        };
        self.update(id, |export| match ended {
            Ok(bytes) => {
                export.status = TaskStatus::Completed;
                export.bytes = Some(bytes);
                export.path = Some(protocol::url_path(&format!("/api/v1/exports/{id}/file")));
            }
            Err(Error::Cancelled) => export.status = TaskStatus::Cancelled,
            Err(error) => {
                tracing::error!(export.id = %id, %error, "an export failed");
                export.status = TaskStatus::Failed;
                export.error = Some(error.to_string());
            }
        });
    }

    /// Writes beside the file's own name first: a file that is there is whole.
    fn write(
        &self,
        id: ExportId,
        format: ExportFormat,
        sequence: &Sequence,
        out: &Path,
        cancelled: &AtomicBool,
    ) -> Result<u64, Error> {
        let mut watch = |done| {
            self.update(id, |export| export.done = u32::try_from(done).unwrap_or(u32::MAX));
            match cancelled.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        if cancelled.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        let unfinished = unfinished(out);
        let written = sequence.write(encoder(format), &unfinished, &mut watch).and_then(|()| {
            // Under the lock: an export that was removed meanwhile leaves no file.
            let jobs = self.lock();
            if !jobs.all.contains_key(&id) {
                return Err(Error::Cancelled);
            }
            fs::rename(&unfinished, out)?;
            drop(jobs);
            Ok(fs::metadata(out)?.len())
        });
        if written.is_err() {
            remove_file(&unfinished);
        }
        written
    }

    fn forget_old(&self) {
        let old: Vec<ExportId> = {
            let jobs = self.lock();
            let ended = jobs.all.values().filter(|job| !job.export.status.is_open()).map(|job| job.export.id);
            ended.take(jobs.all.len().saturating_sub(KEPT)).collect()
        };
        old.into_iter().for_each(|id| _ = self.remove(id));
    }

    fn update(&self, id: ExportId, change: impl FnOnce(&mut Export)) {
        if let Some(job) = self.lock().all.get_mut(&id) {
            change(&mut job.export);
        }
    }

    fn path(&self, id: ExportId, format: ExportFormat) -> PathBuf {
        self.folder.join(format!("{id}.{}", format.extension()))
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where an export's file is while it is written.
fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}

/// Refuses a format that this machine cannot make.
pub fn check(format: ExportFormat) -> Result<(), Problem> {
    if Exports::formats().contains(&format) {
        return Ok(());
    }
    Err(Problem::invalid("format", format!("cannot be {}: {}", format.as_str(), Error::NoFfmpeg)))
}

fn encoder(format: ExportFormat) -> Format {
    match format {
        ExportFormat::Zip => Format::Zip,
        ExportFormat::Gif => Format::Gif,
        ExportFormat::Apng => Format::Apng,
        ExportFormat::Webp => Format::Webp,
        ExportFormat::Mp4 => Format::Mp4,
    }
}

fn remove_file(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "an export's file could not be removed; the next start removes it");
    }
}

/// The project's name as a file's: letters and digits of any script, `-` for what stands between them.
fn file_name(project: &str, format: ExportFormat) -> String {
    let words: Vec<&str> = project.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let stem = if words.is_empty() { "emberline".to_owned() } else { words.join("-") };
    format!("{stem}.{}", format.extension())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_its_project_in_any_script_and_never_a_path() {
        for (name, file) in [
            ("Storm over the sea", "Storm-over-the-sea.zip"),
            ("龍の物語", "龍の物語.zip"),
            ("../../etc/passwd", "etc-passwd.zip"),
            ("\"; rm -rf /", "rm-rf.zip"),
            ("!!!", "emberline.zip"),
        ] {
            assert_eq!(file_name(name, ExportFormat::Zip), file);
        }
    }

    #[test]
    fn an_id_is_never_used_twice_and_the_oldest_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let exports = Arc::new(Exports::open(folder.path().join("exports"), ExportId(7)).expect("opened"));
        let empty = || Sequence { stills: vec![], fps: 12, width: 8, height: 8 };
        let ids: Vec<ExportId> = runtime.block_on(async {
            let mut ids = Vec::new();
            for _ in 0..KEPT + 5 {
                let export = exports.start(ProjectId(1), "x", ExportFormat::Gif, empty(), 0).expect("room");
                ids.push(export.id);
                while exports.get(export.id).is_some_and(|export| export.status.is_open()) {
                    tokio::task::yield_now().await;
                }
            }
            ids
        });
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        assert_eq!(ids[0], ExportId(7));
        let kept = exports.of_project(ProjectId(1));
        assert_eq!(kept.len(), KEPT);
        assert!(kept.iter().all(|export| export.status == TaskStatus::Failed && export.error.is_some()));
        assert!(exports.get(ids[0]).is_none() && exports.get(ids[ids.len() - 1]).is_some());
        assert!(exports.remove(kept[0].id) && !exports.remove(kept[0].id));
    }
}
