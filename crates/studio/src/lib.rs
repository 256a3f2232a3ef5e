//! What the studio can do: one trait, called by the pages' server functions and by the HTTP API. Neither of them
//! knows the database, the engine or a model; the crate `local_studio` implements the trait over these.
//!
//! An action has one name in every layer: the HTTP handler, the server function, this trait and its implementation
//! all call it, for example, `update_frame`.

use async_trait::async_trait;
use protocol::{
    Accepted, Bin, BinProject, Export, ExportFormat, ExportId, FieldError, Frame, FrameId, FramePatch, LibraryId,
    LibraryItem, LibraryKind, LibraryPage, LibraryPatch, LibraryStatus, Model, NewBranch, NewExport, NewGeneration,
    NewProject, NewStyle, Problem, Project, ProjectId, ProjectPatch, Queue, Settings, SettingsPatch, Studio, Style,
    StyleId, StylePatch, Take, TakeId, TakePatch, TakeTrace, Task, TaskId, TaskPatch, TaskStatus, TokenCount, Worker,
    WorkerId,
};
use std::{path::PathBuf, sync::Arc};

/// The services as handlers and Leptos' context hold them.
pub type SharedServices = Arc<dyn Services>;

/// The bytes of an uploaded file. They may be backed by a share of a memory budget, which dropping them returns.
pub type FileBytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// Which tasks [`Services::list_tasks`] returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskQuery {
    /// Only tasks of this status.
    pub status: Option<TaskStatus>,
    /// Only tasks of this project.
    pub project_id: Option<ProjectId>,
    /// Only tasks that follow this one in the list.
    pub after: Option<TaskId>,
    /// Page size.
    pub limit: usize,
}

/// Which files [`Services::list_library`] returns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibraryQuery {
    /// Only files of this kind.
    pub kind: Option<LibraryKind>,
    /// Only files whose name, path, title, base model, family or trigger words contain each of these words, in any case.
    pub search: String,
    /// Only favourites.
    pub favourites: bool,
    /// Only files that follow this place in the list ([`LibraryItem::place`]).
    pub after: Option<String>,
    /// Page size.
    pub limit: usize,
}

/// The thumbnail of a file in the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thumbnail {
    /// A JPEG picture of at most 512 pixels on its long side.
    Jpeg {
        /// The bytes.
        bytes: Vec<u8>,
        /// Changes with the picture.
        etag: String,
    },
    /// URL path of a take's picture.
    Take(String),
}

/// The file of a finished export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportFile {
    /// Path on the server's disk.
    pub path: PathBuf,
    /// File name to offer to the client: the project's name with the format's extension.
    pub file_name: String,
    /// Its format.
    pub format: ExportFormat,
}

/// Everything that a client can read or change.
///
/// Every method fails with [`Problem::NotFound`] for an id that does not exist or is deleted, with
/// [`Problem::Invalid`] for fields out of bounds, and with [`Problem::Unavailable`] while the database cannot be
/// reached. A change that was started is finished even if the caller drops the future.
#[async_trait]
pub trait Services: Send + Sync {
    /// Projects that are not deleted, most recently changed first: at most `limit`, starting after the cursor
    /// `after` (a [`Project::place`]).
    async fn list_projects(&self, after: Option<String>, limit: usize) -> Result<Vec<Project>, Problem>;
    /// One project that is not deleted.
    async fn get_project(&self, id: ProjectId) -> Result<Project, Problem>;
    /// Creates a project and returns it.
    async fn create_project(&self, new: NewProject) -> Result<Project, Problem>;
    /// Changes the fields that are set and returns the project.
    async fn update_project(&self, id: ProjectId, patch: ProjectPatch) -> Result<Project, Problem>;
    /// Soft-deletes a project and cancels its open tasks. It can be restored for thirty days.
    async fn delete_project(&self, id: ProjectId) -> Result<Project, Problem>;
    /// The deleted projects that can be restored, newest deletion first.
    async fn list_deleted_projects(&self) -> Result<Vec<BinProject>, Problem>;
    /// Undoes a deletion. Does nothing to a project that is not deleted.
    async fn restore_project(&self, id: ProjectId) -> Result<Project, Problem>;

    /// All styles that are not deleted, by name.
    async fn list_styles(&self) -> Result<Vec<Style>, Problem>;
    /// Creates a style and returns it. Fails if another has its name.
    async fn create_style(&self, new: NewStyle) -> Result<Style, Problem>;
    /// Changes the fields that are set and returns the style.
    async fn update_style(&self, id: StyleId, patch: StylePatch) -> Result<Style, Problem>;
    /// Soft-deletes a style. It can be restored for thirty days.
    async fn delete_style(&self, id: StyleId) -> Result<Style, Problem>;
    /// Undoes a deletion. Does nothing to a style that is not deleted. Fails if another has its name by now.
    async fn restore_style(&self, id: StyleId) -> Result<Style, Problem>;
    /// Creates the styles of A1111's `styles.csv`, given as text, and replaces those of the same names. Returns them.
    async fn import_styles(&self, csv: String) -> Result<Vec<Style>, Problem>;

    /// Everything that a project's page shows, with the `seq` of the newest event that it includes.
    async fn get_studio(&self, id: ProjectId) -> Result<Studio, Problem>;
    /// What was deleted of a project and can be restored, newest first.
    async fn get_bin(&self, id: ProjectId) -> Result<Bin, Problem>;
    /// A project's frames in timeline order.
    async fn list_frames(&self, id: ProjectId) -> Result<Vec<Frame>, Problem>;
    /// Creates a frame from a PNG, JPEG or WebP file, at `position` or at the end. An empty file makes a white
    /// picture of the project's size. Returns the frame, and by field what was ignored in the file (an animation's
    /// other pictures, a colour profile).
    async fn import_frame(
        &self,
        id: ProjectId,
        position: Option<u32>,
        file: FileBytes,
    ) -> Result<(Frame, Vec<FieldError>), Problem>;
    /// Changes the fields that are set. Returns every frame that changed, the given one first.
    async fn update_frame(&self, id: FrameId, patch: FramePatch) -> Result<Vec<Frame>, Problem>;
    /// Soft-deletes a frame and cancels its open tasks. It can be restored for thirty days if it had a finished take.
    async fn delete_frame(&self, id: FrameId) -> Result<Frame, Problem>;
    /// Undoes a deletion. Does nothing to a frame that is not deleted.
    async fn restore_frame(&self, id: FrameId) -> Result<Frame, Problem>;
    /// Creates a frame right after this one with a copy of its picture. Returns the new frame, then those that
    /// moved. Fails with [`Problem::Conflict`] if the frame has no finished picture.
    async fn duplicate_frame(&self, id: FrameId) -> Result<Vec<Frame>, Problem>;

    /// A frame's takes, newest first.
    async fn list_takes(&self, id: FrameId) -> Result<Vec<Take>, Problem>;
    /// Soft-deletes a take. It can be restored for thirty days. Returns its frame.
    async fn delete_take(&self, id: TakeId) -> Result<Frame, Problem>;
    /// Undoes the deletion of a take, and of its frame if that was removed because nothing was left to show. Returns the frame.
    /// Does nothing to a take that is not deleted. [`Problem::Conflict`] if a user deleted the frame.
    async fn restore_take(&self, id: TakeId) -> Result<Frame, Problem>;
    /// Changes the fields that are set and returns the take.
    async fn update_take(&self, id: TakeId, patch: TakePatch) -> Result<Take, Problem>;
    /// What is kept of how a take formed. Without a trace it has no steps.
    async fn get_trace(&self, id: TakeId) -> Result<TakeTrace, Problem>;
    /// Queues a new take of the same frame that shares the first steps of a finished or running take. Repeating a call with the
    /// same `idempotency_key` returns the task of the first one.
    async fn branch_take(
        &self,
        id: TakeId,
        new: NewBranch,
        idempotency_key: Option<String>,
    ) -> Result<Accepted, Problem>;

    /// Queues a generation. Before this returns, the frame is on the timeline and its first preview is at its
    /// address. Repeating a call with the same `idempotency_key` returns the tasks of the first one.
    async fn create_generation(
        &self,
        id: ProjectId,
        new: NewGeneration,
        idempotency_key: Option<String>,
    ) -> Result<Accepted, Problem>;
    /// Estimated time of a generation with all its variants, milliseconds, without waiting and loading. `None` until
    /// a step has been measured on this machine.
    async fn estimate_generation(&self, id: ProjectId, new: NewGeneration) -> Result<Option<u64>, Problem>;

    /// Tasks, newest first.
    async fn list_tasks(&self, query: TaskQuery) -> Result<Vec<Task>, Problem>;
    /// One task.
    async fn get_task(&self, id: TaskId) -> Result<Task, Problem>;
    /// Cancels a queued, running or paused task and removes its files. [`Problem::Conflict`] for one that has ended.
    async fn cancel_task(&self, id: TaskId) -> Result<Task, Problem>;
    /// Pauses a queued or running task; a running one stops before its next step and keeps its steps. Does nothing to a
    /// paused task. [`Problem::Conflict`] for one that has ended.
    async fn pause_task(&self, id: TaskId) -> Result<Task, Problem>;
    /// Queues a paused task at its old place, to go on after the steps that are done; a queued or running one goes on. It does
    /// not pause by itself any more. [`Problem::Conflict`] for one that has ended.
    async fn resume_task(&self, id: TaskId) -> Result<Task, Problem>;
    /// Changes the fields that are set; of a running task before its next step. [`Problem::Conflict`] for one that has ended.
    async fn update_task(&self, id: TaskId, patch: TaskPatch) -> Result<Task, Problem>;
    /// Stops a running task and makes its current estimate the finished picture; of a paused task as soon as a worker is free.
    /// [`Problem::Conflict`] for a task that is neither running nor paused.
    async fn keep_task(&self, id: TaskId) -> Result<Task, Problem>;
    /// Queues a failed or cancelled task again with the same seed. [`Problem::Conflict`] for any other.
    async fn retry_task(&self, id: TaskId) -> Result<Task, Problem>;

    /// Running tasks, then queued ones in their order.
    async fn get_queue(&self) -> Result<Queue, Problem>;
    /// Stops starting queued tasks. Running tasks continue.
    async fn pause_queue(&self) -> Result<Queue, Problem>;
    /// Starts queued tasks again.
    async fn resume_queue(&self) -> Result<Queue, Problem>;
    /// Puts queued tasks into the given order. Those not named follow in their present order.
    async fn reorder_queue(&self, ids: Vec<TaskId>) -> Result<Queue, Problem>;

    /// The servers and workers that share the database, by name; none on SQLite.
    async fn list_workers(&self) -> Result<Vec<Worker>, Problem>;
    /// Lets a worker finish its pictures and start no others.
    async fn drain_worker(&self, id: WorkerId) -> Result<Worker, Problem>;
    /// Lets a worker start pictures again.
    async fn resume_worker(&self, id: WorkerId) -> Result<Worker, Problem>;

    /// The models that can be chosen, the default first, with the files of the model folder that cannot be used.
    async fn list_models(&self) -> Result<Vec<Model>, Problem>;
    /// A part of the library's list, sorted by kind and name.
    async fn list_library(&self, query: LibraryQuery) -> Result<LibraryPage, Problem>;
    /// One file of the library.
    async fn get_library_item(&self, id: LibraryId) -> Result<LibraryItem, Problem>;
    /// The file of a kind with this name: its own, otherwise its path, otherwise its file name or its trainer's name if only
    /// one file has that.
    async fn find_library_item(&self, kind: LibraryKind, name: String) -> Result<Option<LibraryItem>, Problem>;
    /// Changes the marks that are set: favourite, distillation, title. The file itself does not change.
    async fn update_library_item(&self, id: LibraryId, patch: LibraryPatch) -> Result<LibraryItem, Problem>;
    /// A file's thumbnail; [`Problem::NotFound`] if it has none.
    async fn get_library_thumbnail(&self, id: LibraryId) -> Result<Thumbnail, Problem>;
    /// Starts a scan of the folders, unless one is running.
    async fn scan_library(&self) -> Result<LibraryStatus, Problem>;

    /// The server's settings.
    async fn get_settings(&self) -> Result<Settings, Problem>;
    /// Changes the settings that are set and returns all of them.
    async fn update_settings(&self, patch: SettingsPatch) -> Result<Settings, Problem>;

    /// Starts exporting a project's frames, or how one of its takes formed, into one file, or queues the export.
    /// [`Problem::Conflict`] if no frame has a finished picture or the take has no trace, [`Problem::TooMany`] if too many
    /// exports are open.
    async fn create_export(&self, id: ProjectId, new: NewExport) -> Result<Export, Problem>;
    /// A project's exports since the server started, newest first.
    async fn list_exports(&self, id: ProjectId) -> Result<Vec<Export>, Problem>;
    /// One export.
    async fn get_export(&self, id: ExportId) -> Result<Export, Problem>;
    /// The file of a finished export; [`Problem::NotFound`] until it is finished.
    async fn get_export_file(&self, id: ExportId) -> Result<ExportFile, Problem>;
    /// Stops an export and removes its file.
    async fn delete_export(&self, id: ExportId) -> Result<(), Problem>;

    /// The prompt's length in tokens of the text encoders, and warnings about the syntax of both prompts and about LoRA files
    /// that the library has not.
    async fn count_tokens(&self, prompt: String, negative_prompt: String) -> Result<TokenCount, Problem>;
}
