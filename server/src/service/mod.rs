//! What the studio can do, once, for the server functions and the HTTP API alike: validate, store, tell.

mod exports;
mod frames;
mod generations;
mod imports;
mod models;
mod problem;
mod projects;
mod settings;
mod tasks;
mod tokens;

pub use models::Offers;

use crate::{budget::Budget, exports::Exports, ws::Hub};
use app::services::Services;
use async_trait::async_trait;
use engine::{Engine, Media};
use protocol::{
    Accepted, Event, Export, ExportFormat, ExportId, Frame, FrameId, FramePatch, Model, NewGeneration, NewProject,
    Problem, Project, ProjectId, ProjectPatch, Queue, Settings, SettingsPatch, Studio, Take, TakeId, Task, TaskId,
    TaskSummary, TokenCount,
};
use std::{future::Future, sync::Arc};
use store::Store;
use tracing::Instrument;

/// Bytes that the pixels of imports take together, with their copies on the way: two pictures of 100 megapixels, of 8 bits and
/// three colours.
const IMPORT_BYTES: u64 = 1024 * 1024 * 1024;

/// The services over a database, the engine and the event hub. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StudioServices {
    store: Store,
    hub: Arc<Hub>,
    engine: Engine,
    exports: Arc<Exports>,
    /// Memory for the pixels of imports: several small ones at a time, or one of the largest.
    import_memory: Budget,
}

impl StudioServices {
    /// Services that store in `store`, generate with `engine`, announce on `hub` and export to `exports`.
    pub fn new(store: Store, hub: Arc<Hub>, engine: Engine, exports: Arc<Exports>) -> Self {
        Self { store, hub, engine, exports, import_memory: Budget::new(IMPORT_BYTES) }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    fn media(&self) -> &Arc<Media> {
        self.engine.media()
    }

    fn publish(&self, event: Event) {
        self.hub.publish(event);
    }

    /// Queued and running tasks with their present steps.
    pub async fn open_tasks(&self) -> Result<Vec<TaskSummary>, Problem> {
        self.tasks_of_queue().await
    }

    /// Carries a change out to its end, whether or not whoever asked for it is still there: a request whose client hangs
    /// up is dropped wherever it waits, and between the rows and the events that is too early.
    async fn whole<T, F>(&self, change: impl FnOnce(Self) -> F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        match tokio::spawn(change(self.clone()).in_current_span()).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "a change did not end");
                Err(Problem::Internal)
            }
        }
    }

    /// The queue is another now: tells its new state.
    pub async fn tell_queue(&self) {
        if let Ok(queue) = self.queue().await {
            self.publish(Event::QueueUpdated(queue));
        }
    }
}

#[async_trait]
impl Services for StudioServices {
    async fn projects(&self, after: Option<String>, most: usize) -> Result<Vec<Project>, Problem> {
        self.list_projects(after.as_deref(), most).await
    }

    async fn project(&self, id: ProjectId) -> Result<Project, Problem> {
        self.read_project(id).await
    }

    async fn create_project(&self, new: NewProject) -> Result<Project, Problem> {
        self.whole(move |own| async move { own.make_project(new).await }).await
    }

    async fn update_project(&self, id: ProjectId, patch: ProjectPatch) -> Result<Project, Problem> {
        self.whole(move |own| async move { own.change_project(id, patch).await }).await
    }

    async fn delete_project(&self, id: ProjectId) -> Result<Project, Problem> {
        self.whole(move |own| async move { own.remove_project(id).await }).await
    }

    async fn restore_project(&self, id: ProjectId) -> Result<Project, Problem> {
        self.whole(move |own| async move { own.bring_project_back(id).await }).await
    }

    async fn studio(&self, id: ProjectId) -> Result<Studio, Problem> {
        // The number first: an event between it and the reads below is applied twice, never lost.
        let seq = self.hub.seq();
        let project = self.read_project(id).await?;
        let queue = self.read_queue().await?;
        let tasks = queue.tasks.iter().filter(|task| task.project_id == id).cloned().collect();
        Ok(Studio {
            epoch: self.hub.epoch().to_owned(),
            seq,
            project,
            frames: self.list_frames(id).await?,
            tasks,
            queue,
            models: self.engine.models().list(),
            settings: self.read_settings().await?,
            export_formats: Exports::formats(),
        })
    }

    async fn frames(&self, id: ProjectId) -> Result<Vec<Frame>, Problem> {
        self.list_frames(id).await
    }

    async fn update_frame(&self, id: FrameId, patch: FramePatch) -> Result<Vec<Frame>, Problem> {
        self.whole(move |own| async move { own.change_frame(id, patch).await }).await
    }

    async fn delete_frame(&self, id: FrameId) -> Result<Frame, Problem> {
        self.whole(move |own| async move { own.remove_frame(id).await }).await
    }

    async fn restore_frame(&self, id: FrameId) -> Result<Frame, Problem> {
        self.whole(move |own| async move { own.bring_frame_back(id).await }).await
    }

    async fn duplicate_frame(&self, id: FrameId) -> Result<Vec<Frame>, Problem> {
        self.whole(move |own| async move { own.copy_frame(id).await }).await
    }

    async fn takes(&self, id: FrameId) -> Result<Vec<Take>, Problem> {
        self.list_takes(id).await
    }

    async fn delete_take(&self, id: TakeId) -> Result<Frame, Problem> {
        self.whole(move |own| async move { own.remove_take(id).await }).await
    }

    async fn generate(
        &self,
        id: ProjectId,
        new: NewGeneration,
        idempotency_key: Option<String>,
    ) -> Result<Accepted, Problem> {
        self.whole(move |own| async move { own.accept(id, new, idempotency_key).await }).await
    }

    async fn estimate(&self, id: ProjectId, new: NewGeneration) -> Result<Option<u64>, Problem> {
        self.expect(id, new).await
    }

    async fn task(&self, id: TaskId) -> Result<Task, Problem> {
        self.read_task(id).await
    }

    async fn cancel_task(&self, id: TaskId) -> Result<Task, Problem> {
        self.whole(move |own| async move { own.cancel(id).await }).await
    }

    async fn keep_task(&self, id: TaskId) -> Result<Task, Problem> {
        self.keep(id).await
    }

    async fn retry_task(&self, id: TaskId) -> Result<Task, Problem> {
        self.whole(move |own| async move { own.retry(id).await }).await
    }

    async fn queue(&self) -> Result<Queue, Problem> {
        self.read_queue().await
    }

    async fn pause_queue(&self, paused: bool) -> Result<Queue, Problem> {
        self.whole(move |own| async move { own.pause(paused).await }).await
    }

    async fn reorder_queue(&self, ids: Vec<TaskId>) -> Result<Queue, Problem> {
        self.whole(move |own| async move { own.reorder(ids).await }).await
    }

    async fn models(&self) -> Result<Vec<Model>, Problem> {
        Ok(self.engine.models().list())
    }

    async fn settings(&self) -> Result<Settings, Problem> {
        self.read_settings().await
    }

    async fn update_settings(&self, patch: SettingsPatch) -> Result<Settings, Problem> {
        self.whole(move |own| async move { own.change_settings(patch).await }).await
    }

    async fn create_export(&self, id: ProjectId, format: ExportFormat) -> Result<Export, Problem> {
        self.begin_export(id, format).await
    }

    async fn exports(&self, id: ProjectId) -> Result<Vec<Export>, Problem> {
        self.read_project(id).await?;
        Ok(self.exports.of_project(id))
    }

    async fn export(&self, id: ExportId) -> Result<Export, Problem> {
        self.exports.get(id).ok_or_else(|| Problem::NotFound(format!("export {id}")))
    }

    async fn delete_export(&self, id: ExportId) -> Result<(), Problem> {
        self.exports.remove(id).then_some(()).ok_or_else(|| Problem::NotFound(format!("export {id}")))
    }

    async fn count_tokens(&self, prompt: String, negative_prompt: String) -> Result<TokenCount, Problem> {
        tokens::count(prompt, negative_prompt).await
    }
}
