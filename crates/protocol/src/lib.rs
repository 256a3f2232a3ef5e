//! The interface between browser and server: ids, requests, states, events, and errors for users. Contains only data
//! and its validation; compiled for both sides.

mod base;
mod bin;
mod error;
mod event;
pub mod export;
pub mod frame;
pub mod generation;
mod id;
pub mod library;
mod model;
pub mod project;
pub mod prompt;
pub mod settings;
mod steer;
pub mod style;
mod task;
mod trace;
mod worker;

pub use self::generation::{Accepted, AcceptedTask, Defaults, IMPORTED, NewGeneration, Parameters, TokenCount};
pub use ::generation::{Lora, Loras, PreviewMethod, Recommended, Sampler, Schedule, Track, TrackChange};
pub use base::{base_path, cookie_path, set_base_path, url_path};
pub use bin::{Bin, BinItem, BinKind, BinProject};
pub use error::{FieldError, Problem};
pub use event::{
    Event, FrameEvent, GENERATOR, GenerationCancelled, GenerationCompleted, GenerationFailed, GenerationIds,
    GenerationInterrupted, GenerationPaused, GenerationProgress, GenerationResumed, GenerationStarted,
    GenerationSteered, Hello, Message, Metrics, ProjectUpdated, Resync, Studio, StylesUpdated,
};
pub use export::{Easing, Export, ExportFormat, Formation, NewExport};
pub use frame::{Frame, FramePatch, FrameStatus, THUMBNAIL_SIDES_PX, Take, TakePatch, media_path, thumbnail_url};
pub use id::{ExportId, FrameId, ProjectId, StyleId, TakeId, TaskId};
pub use library::{
    FileHashes, LibraryDistillation, LibraryId, LibraryItem, LibraryKind, LibraryPage, LibraryPatch, LibraryStatus,
};
pub use model::{Model, RefusedModel};
pub use project::{NewProject, Project, ProjectPatch};
pub use settings::{Interrupted, Settings, SettingsPatch, TraceLevel};
pub use steer::{TaskPatch, expected as task_patch_expected};
pub use style::{NewStyle, Style, StyleImport, StylePatch};
pub use task::{ModelLoading, Queue, QueueOrder, Task, TaskStatus, TaskSummary};
pub use trace::{NewBranch, TakeTrace, TraceStep, finish_error, step_path};
pub use worker::{AdvertisedModel, Worker, WorkerId, WorkerKind, WorkerModel, Workers};
