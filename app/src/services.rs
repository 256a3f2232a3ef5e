//! What the pages ask of the server: one trait, put into Leptos' context by the binary. The pages know
//! neither the database nor the engine.

use async_trait::async_trait;
use protocol::{
    Accepted, Export, ExportFormat, ExportId, Frame, FrameId, FramePatch, Model, NewGeneration, NewProject, Problem,
    Project, ProjectId, ProjectPatch, Queue, Settings, SettingsPatch, Studio, Take, TakeId, Task, TaskId, TokenCount,
};
use std::sync::Arc;

/// The services as the context carries them.
pub type SharedServices = Arc<dyn Services>;

/// Everything that a page can ask for or change.
#[async_trait]
pub trait Services: Send + Sync {
    /// Projects that are not deleted, newest change first: so many at most, from behind a [`Project::place`] on.
    async fn projects(&self, after: Option<String>, most: usize) -> Result<Vec<Project>, Problem>;
    /// One project that is not deleted.
    async fn project(&self, id: ProjectId) -> Result<Project, Problem>;
    /// Makes a project.
    async fn create_project(&self, new: NewProject) -> Result<Project, Problem>;
    /// Changes a project.
    async fn update_project(&self, id: ProjectId, patch: ProjectPatch) -> Result<Project, Problem>;
    /// Deletes a project; it can be restored for a while.
    async fn delete_project(&self, id: ProjectId) -> Result<Project, Problem>;
    /// Takes a deletion back; restoring a project that is not deleted changes nothing.
    async fn restore_project(&self, id: ProjectId) -> Result<Project, Problem>;

    /// Everything that a project's page shows, and the `seq` that it is as new as.
    async fn studio(&self, id: ProjectId) -> Result<Studio, Problem>;
    /// A project's frames in their order.
    async fn frames(&self, id: ProjectId) -> Result<Vec<Frame>, Problem>;
    /// Changes a frame; answers every frame that is another now, the named one first.
    async fn update_frame(&self, id: FrameId, patch: FramePatch) -> Result<Vec<Frame>, Problem>;
    /// Deletes a frame and cancels its tasks; it can be restored for a while if it had a finished take.
    async fn delete_frame(&self, id: FrameId) -> Result<Frame, Problem>;
    /// Takes a deletion back.
    async fn restore_frame(&self, id: FrameId) -> Result<Frame, Problem>;

    /// Makes a frame behind this one with a copy of its picture; answers it, then those that moved.
    async fn duplicate_frame(&self, id: FrameId) -> Result<Vec<Frame>, Problem>;

    /// A frame's takes, newest first.
    async fn takes(&self, id: FrameId) -> Result<Vec<Take>, Problem>;
    /// Deletes a take and its picture.
    async fn delete_take(&self, id: TakeId) -> Result<Frame, Problem>;

    /// Queues a generation. Its frame stands on the timeline, its first preview at its address, before this
    /// answers. The same `idempotency_key` again answers the same tasks.
    async fn generate(
        &self,
        id: ProjectId,
        new: NewGeneration,
        idempotency_key: Option<String>,
    ) -> Result<Accepted, Problem>;
    /// How many milliseconds a generation will take; none while this machine's pace is not known.
    async fn estimate(&self, id: ProjectId, new: NewGeneration) -> Result<Option<u64>, Problem>;
    /// One task.
    async fn task(&self, id: TaskId) -> Result<Task, Problem>;
    /// Stops a queued or running task and leaves nothing of it.
    async fn cancel_task(&self, id: TaskId) -> Result<Task, Problem>;
    /// Ends a running task with the estimate that it has.
    async fn keep_task(&self, id: TaskId) -> Result<Task, Problem>;
    /// Queues a failed or cancelled task again.
    async fn retry_task(&self, id: TaskId) -> Result<Task, Problem>;
    /// What runs and what waits.
    async fn queue(&self) -> Result<Queue, Problem>;
    /// Keeps waiting tasks waiting, or lets them run again.
    async fn pause_queue(&self, paused: bool) -> Result<Queue, Problem>;
    /// Puts waiting tasks into another order.
    async fn reorder_queue(&self, ids: Vec<TaskId>) -> Result<Queue, Problem>;

    /// The models that can be chosen, the default first.
    async fn models(&self) -> Result<Vec<Model>, Problem>;
    /// The server's settings.
    async fn settings(&self) -> Result<Settings, Problem>;
    /// Changes the server's settings.
    async fn update_settings(&self, patch: SettingsPatch) -> Result<Settings, Problem>;

    /// Begins to write a project's frames into one file.
    async fn create_export(&self, id: ProjectId, format: ExportFormat) -> Result<Export, Problem>;
    /// A project's exports, newest first.
    async fn exports(&self, id: ProjectId) -> Result<Vec<Export>, Problem>;
    /// One export.
    async fn export(&self, id: ExportId) -> Result<Export, Problem>;
    /// Stops an export and removes its file.
    async fn delete_export(&self, id: ExportId) -> Result<(), Problem>;

    /// How long a prompt is to the text encoders, and what in both prompts is read as words.
    async fn count_tokens(&self, prompt: String, negative_prompt: String) -> Result<TokenCount, Problem>;
}
