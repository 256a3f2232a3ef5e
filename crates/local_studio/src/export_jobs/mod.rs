//! Runs exports and keeps their files. The list is in memory and the files are in a folder that is emptied at each start:
//! an export can be repeated at any time, because its frames are kept. Several servers share the list through their database,
//! and the folder ([`shared`]).

mod jobs;
mod objects;
mod shared;

use ::export::{Error, Format, Sequence, Unreadable};
use ::pictures::Objects;
use jobs::{Job, Jobs};
use protocol::{Export, ExportFormat, ExportId, FrameId, Problem, ProjectId, TakeId, TaskStatus};
use std::{
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use store::SharedExports;
use studio::ExportFile;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::Semaphore;

/// Exports that are kept with their files. A new one evicts the oldest that has ended.
const KEPT: usize = 20;

/// Maximum number of unreadable pictures that a message names.
const SHOWN: usize = 5;

/// The pictures of an export.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// The pictures in order, with their durations.
    pub sequence: Sequence,
    /// Position, from 0, and id of the frame of each picture; empty for the steps of a take.
    pub frames: Vec<(u32, FrameId)>,
    /// Number of frames without a finished picture.
    pub skipped: u32,
    /// The take whose steps they are, where they are no frames.
    pub take: Option<TakeId>,
}

/// All exports since the server started.
#[derive(Debug)]
pub struct Exports {
    folder: PathBuf,
    jobs: Mutex<Jobs>,
    /// Runs one export at a time: an encoder uses a whole core, and the sampler needs all of them.
    turn: Semaphore,
    /// The exports of all servers, where several share a database. Memory has those that this one runs.
    shared: Option<SharedExports>,
    /// Where the files are for all servers, if not in the folder.
    objects: Option<Objects>,
    /// Held while a file is got from there.
    fetching: tokio::sync::Mutex<()>,
}

impl Exports {
    /// Empties or creates `folder` for the files. Ids count up from `first`, which no earlier start has used.
    ///
    /// # Errors
    /// The folder cannot be emptied or created.
    pub fn open(folder: PathBuf, first: ExportId) -> io::Result<Self> {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(&folder)?,
        }
        Ok(Self::of(folder, first, None, None))
    }

    /// Uses a folder that other servers use as well, and creates it if it is not there. With `objects` the folder is of this server
    /// alone, and the files are objects for the others.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn share(folder: PathBuf, shared: SharedExports, objects: Option<Objects>) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        // The database gives the ids.
        Ok(Self::of(folder, ExportId(1), Some(shared), objects))
    }

    fn of(folder: PathBuf, first: ExportId, shared: Option<SharedExports>, objects: Option<Objects>) -> Self {
        let (jobs, turn, fetching) = (Mutex::new(Jobs::starting_at(first)), Semaphore::new(1), Default::default());
        Self { folder, jobs, turn, shared, objects, fetching }
    }

    /// The formats that this machine can encode: MP4 needs ffmpeg.
    pub fn formats() -> Vec<ExportFormat> {
        // Cached, because the check starts a process.
        static HAS_FFMPEG: OnceLock<bool> = OnceLock::new();
        let can = |format: &ExportFormat| *format != ExportFormat::Mp4 || *HAS_FFMPEG.get_or_init(::export::has_ffmpeg);
        ExportFormat::ALL.into_iter().filter(can).collect()
    }

    /// Queues an export.
    ///
    /// # Errors
    /// Too many exports are queued or running.
    pub fn create(
        self: &Arc<Self>,
        project: ProjectId,
        name: &str,
        format: ExportFormat,
        pictures: Pictures,
    ) -> Result<Export, Problem> {
        let export = {
            let mut jobs = self.lock();
            jobs.check_room(project)?;
            let job = new_job(jobs.next_id(), project, name, format, &pictures);
            let export = job.export.clone();
            jobs.all.insert(export.id, job);
            export
        };
        self.evict_old();
        self.start(export.id, pictures);
        Ok(export)
    }

    /// Runs an export of the list when it is its turn.
    fn start(self: &Arc<Self>, id: ExportId, pictures: Pictures) {
        let job = self.lock().all.get(&id).map(|job| (job.export.format, Arc::clone(&job.cancelled)));
        let Some((format, cancelled)) = job else { return };
        let exports = Arc::clone(self);
        tokio::spawn(async move { exports.run(id, format, pictures, cancelled).await });
    }

    /// One export.
    pub fn get(&self, id: ExportId) -> Option<Export> {
        self.lock().all.get(&id).map(|job| job.export.clone())
    }

    /// A project's exports, newest first.
    pub fn list(&self, project: ProjectId) -> Vec<Export> {
        let jobs = self.lock();
        jobs.all.values().rev().map(|job| job.export.clone()).filter(|export| export.project_id == project).collect()
    }

    /// The file of a finished export.
    pub fn get_file(&self, id: ExportId) -> Option<ExportFile> {
        let jobs = self.lock();
        let job = jobs.all.get(&id).filter(|job| job.export.status == TaskStatus::Completed)?;
        let format = job.export.format;
        Some(ExportFile { path: self.path(id, format), file_name: job.file_name.clone(), format })
    }

    /// Cancels an export if it is open and removes it with its file. Returns whether it existed.
    pub fn delete(&self, id: ExportId) -> bool {
        let Some(job) = self.lock().all.remove(&id) else { return false };
        job.cancelled.store(true, Ordering::Relaxed);
        let path = self.path(id, job.export.format);
        remove_file(&path);
        // The disk space is free once the encoder has seen the flag, within milliseconds. On systems where an open file
        // cannot be removed, the encoder removes it when it ends.
        _ = fs::remove_file(unfinished(&path));
        self.delete_object(job.object);
        true
    }

    /// Cancels all exports. Called when the server stops, because the process waits for the encoders.
    pub fn stop(&self) {
        self.lock().all.values().for_each(|job| job.cancelled.store(true, Ordering::Relaxed));
    }

    async fn run(self: Arc<Self>, id: ExportId, format: ExportFormat, pictures: Pictures, cancelled: Arc<AtomicBool>) {
        let Ok(_turn) = self.turn.acquire().await else { return };
        if cancelled.load(Ordering::Relaxed) {
            return self.update(id, |export| export.status = TaskStatus::Cancelled);
        }
        self.update(id, |export| export.status = TaskStatus::Running);
        let Pictures { sequence, frames, .. } = pictures;
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
            // The encoder panicked.
            Err(_) => Err(Error::Encode("the server failed".to_owned())),
        };
        let ended = match ended {
            Ok(bytes) => self.store_object(id, format).await.map(|()| bytes),
            Err(error) => Err(error),
        };
        self.update(id, |export| match ended {
            Ok(bytes) => {
                export.status = TaskStatus::Completed;
                export.bytes = Some(bytes);
                export.path = Some(protocol::url_path(&format!("/api/v1/exports/{id}/file")));
            }
            Err(Error::Cancelled) => export.status = TaskStatus::Cancelled,
            Err(error) => {
                let error = message(&error, &frames);
                tracing::error!(export.id = %id, error, "an export failed");
                export.status = TaskStatus::Failed;
                export.error = Some(error);
            }
        });
    }

    /// Writes to a temporary file and renames it, so that a file at `out` is always complete. Returns its size, bytes.
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
        // A program that cleans up may have removed the folder since the start.
        fs::create_dir_all(&self.folder)?;
        let (unfinished, format) = (unfinished(out), encoder(format));
        sequence.check(format, &mut watch)?;
        let written = sequence.write(format, &unfinished, &mut watch).and_then(|()| {
            // Under the lock, so that an export that was deleted meanwhile leaves no file.
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

    fn evict_old(&self) {
        let old: Vec<ExportId> = {
            let jobs = self.lock();
            let ended = jobs.all.values().filter(|job| !job.export.status.is_open()).map(|job| job.export.id);
            ended.take(jobs.all.len().saturating_sub(KEPT)).collect()
        };
        old.into_iter().for_each(|id| _ = self.delete(id));
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

fn new_job(id: ExportId, project: ProjectId, name: &str, format: ExportFormat, pictures: &Pictures) -> Job {
    let export = Export {
        id,
        project_id: project,
        take_id: pictures.take,
        format,
        status: TaskStatus::Queued,
        done: 0,
        total: u32::try_from(pictures.sequence.stills.len()).unwrap_or(u32::MAX),
        skipped: pictures.skipped,
        path: None,
        bytes: None,
        error: None,
        created_at: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
    };
    Job { export, file_name: file_name(name, format), object: None, cancelled: Arc::default() }
}

/// The message of an export that failed. It names the frames of pictures that cannot be read.
fn message(error: &Error, frames: &[(u32, FrameId)]) -> String {
    let Error::Pictures(unreadable) = error else { return error.to_string() };
    let shown = unreadable.iter().take(SHOWN).map(|Unreadable { number, source }| match frames.get(number - 1) {
        Some((position, id)) => format!("frame {} (id {id}): its picture cannot be read: {source}", position + 1),
        None => format!("picture {number} cannot be read: {source}"),
    });
    let mut lines: Vec<String> = shown.collect();
    if let Some(more @ 1..) = unreadable.len().checked_sub(SHOWN) {
        lines.push(format!("and {more} more"));
    }
    if frames.is_empty() {
        return lines.join("; ");
    }
    format!(
        "{}. Select another take of such a frame, generate it again or delete it, then export again",
        lines.join("; ")
    )
}

/// Path of an export's file while it is being written.
fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}

/// Fails for a format that this machine cannot encode.
pub fn check_format(format: ExportFormat) -> Result<(), Problem> {
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
        tracing::warn!(path = %path.display(), %error, "cannot remove an export's file; the next start removes it");
    }
}

/// File name from the project's name: letters and digits of any script, with `-` in place of everything else.
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
    fn a_message_names_frames_by_their_place_on_the_timeline() {
        // The second frame has no finished picture, so the second picture is the third frame's.
        let frames = [(0, FrameId(7)), (2, FrameId(9))];
        let unreadable = |numbers: &[usize]| {
            let source = || io::Error::other("no").into();
            Error::Pictures(numbers.iter().map(|&number| Unreadable { number, source: source() }).collect())
        };
        let text = message(&unreadable(&[2]), &frames);
        assert!(text.starts_with("frame 3 (id 9): its picture cannot be read: no. Select another take"), "{text}");
        let text = message(&unreadable(&[1, 2, 3, 4, 5, 6, 7]), &frames);
        assert!(text.contains("frame 1 (id 7)") && text.contains("; and 2 more. "), "{text}");
        assert_eq!(message(&Error::Empty, &frames), "there is no picture to export");
    }

    #[test]
    fn an_id_is_never_used_twice_and_the_oldest_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let exports = Arc::new(Exports::open(folder.path().join("exports"), ExportId(7)).expect("opened"));
        let sequence = Sequence { stills: vec![], fps: 12, width: 8, height: 8 };
        let empty = || Pictures { sequence: sequence.clone(), frames: vec![], skipped: 0, take: None };
        let ids: Vec<ExportId> = runtime.block_on(async {
            let mut ids = Vec::new();
            for _ in 0..KEPT + 5 {
                let export = exports.create(ProjectId(1), "x", ExportFormat::Gif, empty()).expect("room");
                ids.push(export.id);
                while exports.get(export.id).is_some_and(|export| export.status.is_open()) {
                    tokio::task::yield_now().await;
                }
            }
            ids
        });
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        assert_eq!(ids[0], ExportId(7));
        let kept = exports.list(ProjectId(1));
        assert_eq!(kept.len(), KEPT);
        assert!(kept.iter().all(|export| export.status == TaskStatus::Failed && export.error.is_some()));
        assert!(exports.get(ids[0]).is_none() && exports.get(ids[ids.len() - 1]).is_some());
        assert!(exports.delete(kept[0].id) && !exports.delete(kept[0].id));
    }
}
