//! The trait over this crate's methods.

use crate::{Exports, LocalStudio, tokens};
use async_trait::async_trait;
use protocol::{
    Accepted, Bin, BinProject, Export, ExportId, FieldError, Frame, FrameId, FramePatch, LibraryId, LibraryItem,
    LibraryKind, LibraryPage, LibraryPatch, LibraryStatus, Model, NewBranch, NewExport, NewGeneration, NewProject,
    NewStyle, Problem, Project, ProjectId, ProjectPatch, Queue, Settings, SettingsPatch, Studio, Style, StyleId,
    StylePatch, Take, TakeId, TakePatch, TakeTrace, Task, TaskId, TaskPatch, TokenCount, Worker, WorkerId,
};
use studio::{ExportFile, FileBytes, LibraryQuery, Services, TaskQuery, Thumbnail};

#[async_trait]
impl Services for LocalStudio {
    async fn list_projects(&self, after: Option<String>, limit: usize) -> Result<Vec<Project>, Problem> {
        self.list_projects(after.as_deref(), limit).await
    }

    async fn get_project(&self, id: ProjectId) -> Result<Project, Problem> {
        self.get_project(id).await
    }

    async fn create_project(&self, new: NewProject) -> Result<Project, Problem> {
        self.to_completion(move |studio| async move { studio.create_project(new).await }).await
    }

    async fn update_project(&self, id: ProjectId, patch: ProjectPatch) -> Result<Project, Problem> {
        self.to_completion(move |studio| async move { studio.update_project(id, patch).await }).await
    }

    async fn delete_project(&self, id: ProjectId) -> Result<Project, Problem> {
        self.to_completion(move |studio| async move { studio.delete_project(id).await }).await
    }

    async fn list_deleted_projects(&self) -> Result<Vec<BinProject>, Problem> {
        self.list_deleted_projects().await
    }

    async fn restore_project(&self, id: ProjectId) -> Result<Project, Problem> {
        self.to_completion(move |studio| async move { studio.restore_project(id).await }).await
    }

    async fn list_styles(&self) -> Result<Vec<Style>, Problem> {
        self.list_styles().await
    }

    async fn create_style(&self, new: NewStyle) -> Result<Style, Problem> {
        self.to_completion(move |studio| async move { studio.create_style(new).await }).await
    }

    async fn update_style(&self, id: StyleId, patch: StylePatch) -> Result<Style, Problem> {
        self.to_completion(move |studio| async move { studio.update_style(id, patch).await }).await
    }

    async fn delete_style(&self, id: StyleId) -> Result<Style, Problem> {
        self.to_completion(move |studio| async move { studio.delete_style(id).await }).await
    }

    async fn restore_style(&self, id: StyleId) -> Result<Style, Problem> {
        self.to_completion(move |studio| async move { studio.restore_style(id).await }).await
    }

    async fn import_styles(&self, csv: String) -> Result<Vec<Style>, Problem> {
        self.to_completion(move |studio| async move { studio.import_styles(&csv).await }).await
    }

    async fn get_studio(&self, id: ProjectId) -> Result<Studio, Problem> {
        // Read the number first: an event between it and the reads below is then applied twice, never lost.
        let (epoch, seq) = self.events.position();
        let project = self.get_project(id).await?;
        let queue = self.get_queue().await?;
        let tasks = queue.tasks.iter().filter(|task| task.project_id == id).cloned().collect();
        Ok(Studio {
            epoch,
            seq,
            project,
            frames: self.list_frames(id).await?,
            tasks,
            queue,
            models: self.engine.list_models(),
            settings: self.get_settings().await?,
            export_formats: Exports::formats(),
        })
    }

    async fn list_frames(&self, id: ProjectId) -> Result<Vec<Frame>, Problem> {
        self.list_frames(id).await
    }

    async fn import_frame(
        &self,
        id: ProjectId,
        position: Option<u32>,
        file: FileBytes,
    ) -> Result<(Frame, Vec<FieldError>), Problem> {
        self.import_frame(id, position, file).await
    }

    async fn update_frame(&self, id: FrameId, patch: FramePatch) -> Result<Vec<Frame>, Problem> {
        self.to_completion(move |studio| async move { studio.update_frame(id, patch).await }).await
    }

    async fn delete_frame(&self, id: FrameId) -> Result<Frame, Problem> {
        self.to_completion(move |studio| async move { studio.delete_frame(id).await }).await
    }

    async fn restore_frame(&self, id: FrameId) -> Result<Frame, Problem> {
        self.to_completion(move |studio| async move { studio.restore_frame(id).await }).await
    }

    async fn duplicate_frame(&self, id: FrameId) -> Result<Vec<Frame>, Problem> {
        self.to_completion(move |studio| async move { studio.duplicate_frame(id).await }).await
    }

    async fn list_takes(&self, id: FrameId) -> Result<Vec<Take>, Problem> {
        self.list_takes(id).await
    }

    async fn delete_take(&self, id: TakeId) -> Result<Frame, Problem> {
        self.to_completion(move |studio| async move { studio.delete_take(id).await }).await
    }

    async fn restore_take(&self, id: TakeId) -> Result<Frame, Problem> {
        self.to_completion(move |studio| async move { studio.restore_take(id).await }).await
    }

    async fn get_bin(&self, id: ProjectId) -> Result<Bin, Problem> {
        self.get_bin(id).await
    }

    async fn update_take(&self, id: TakeId, patch: TakePatch) -> Result<Take, Problem> {
        self.to_completion(move |studio| async move { studio.update_take(id, patch).await }).await
    }

    async fn get_trace(&self, id: TakeId) -> Result<TakeTrace, Problem> {
        self.get_trace(id).await
    }

    async fn branch_take(
        &self,
        id: TakeId,
        new: NewBranch,
        idempotency_key: Option<String>,
    ) -> Result<Accepted, Problem> {
        self.to_completion(move |studio| async move { studio.branch_take(id, new, idempotency_key).await }).await
    }

    async fn create_generation(
        &self,
        id: ProjectId,
        new: NewGeneration,
        idempotency_key: Option<String>,
    ) -> Result<Accepted, Problem> {
        self.to_completion(move |studio| async move { studio.create_generation(id, new, idempotency_key).await }).await
    }

    async fn estimate_generation(&self, id: ProjectId, new: NewGeneration) -> Result<Option<u64>, Problem> {
        self.estimate_generation(id, new).await
    }

    async fn list_tasks(&self, query: TaskQuery) -> Result<Vec<Task>, Problem> {
        self.list_tasks(query).await
    }

    async fn get_task(&self, id: TaskId) -> Result<Task, Problem> {
        self.get_task(id).await
    }

    async fn cancel_task(&self, id: TaskId) -> Result<Task, Problem> {
        self.to_completion(move |studio| async move { studio.cancel_task(id).await }).await
    }

    async fn pause_task(&self, id: TaskId) -> Result<Task, Problem> {
        self.pause_task(id).await
    }

    async fn resume_task(&self, id: TaskId) -> Result<Task, Problem> {
        self.resume_task(id).await
    }

    async fn update_task(&self, id: TaskId, patch: TaskPatch) -> Result<Task, Problem> {
        self.update_task(id, patch).await
    }

    async fn keep_task(&self, id: TaskId) -> Result<Task, Problem> {
        self.keep_task(id).await
    }

    async fn retry_task(&self, id: TaskId) -> Result<Task, Problem> {
        self.to_completion(move |studio| async move { studio.retry_task(id).await }).await
    }

    async fn get_queue(&self) -> Result<Queue, Problem> {
        self.get_queue().await
    }

    async fn pause_queue(&self) -> Result<Queue, Problem> {
        self.to_completion(|studio| async move { studio.set_queue_paused(true).await }).await
    }

    async fn resume_queue(&self) -> Result<Queue, Problem> {
        self.to_completion(|studio| async move { studio.set_queue_paused(false).await }).await
    }

    async fn reorder_queue(&self, ids: Vec<TaskId>) -> Result<Queue, Problem> {
        self.to_completion(move |studio| async move { studio.reorder_queue(ids).await }).await
    }

    async fn list_workers(&self) -> Result<Vec<Worker>, Problem> {
        Ok(self.engine.list_workers())
    }

    async fn drain_worker(&self, id: WorkerId) -> Result<Worker, Problem> {
        self.set_draining(&id.0, true).await
    }

    async fn resume_worker(&self, id: WorkerId) -> Result<Worker, Problem> {
        self.set_draining(&id.0, false).await
    }

    async fn list_models(&self) -> Result<Vec<Model>, Problem> {
        Ok(self.engine.list_models())
    }

    async fn list_library(&self, query: LibraryQuery) -> Result<LibraryPage, Problem> {
        self.list_library(query).await
    }

    async fn get_library_item(&self, id: LibraryId) -> Result<LibraryItem, Problem> {
        self.get_library_item(&id).await
    }

    async fn find_library_item(&self, kind: LibraryKind, name: String) -> Result<Option<LibraryItem>, Problem> {
        self.find_library_item(kind, &name).await
    }

    async fn update_library_item(&self, id: LibraryId, patch: LibraryPatch) -> Result<LibraryItem, Problem> {
        self.to_completion(move |studio| async move { studio.update_library_item(&id, patch).await }).await
    }

    async fn get_library_thumbnail(&self, id: LibraryId) -> Result<Thumbnail, Problem> {
        self.get_library_thumbnail(&id).await
    }

    async fn scan_library(&self) -> Result<LibraryStatus, Problem> {
        self.scan_library().await
    }

    async fn get_settings(&self) -> Result<Settings, Problem> {
        self.get_settings().await
    }

    async fn update_settings(&self, patch: SettingsPatch) -> Result<Settings, Problem> {
        self.to_completion(move |studio| async move { studio.update_settings(patch).await }).await
    }

    async fn create_export(&self, id: ProjectId, new: NewExport) -> Result<Export, Problem> {
        self.create_export(id, new).await
    }

    async fn list_exports(&self, id: ProjectId) -> Result<Vec<Export>, Problem> {
        self.get_project(id).await?;
        self.exports.list_anywhere(id).await
    }

    async fn get_export(&self, id: ExportId) -> Result<Export, Problem> {
        self.exports.get_anywhere(id).await?.ok_or_else(|| Problem::NotFound(format!("export {id}")))
    }

    async fn get_export_file(&self, id: ExportId) -> Result<ExportFile, Problem> {
        self.exports.file_anywhere(id).await?.ok_or_else(|| Problem::NotFound(format!("file of export {id}")))
    }

    async fn delete_export(&self, id: ExportId) -> Result<(), Problem> {
        self.exports.delete_anywhere(id).await?.then_some(()).ok_or_else(|| Problem::NotFound(format!("export {id}")))
    }

    async fn count_tokens(&self, prompt: String, negative_prompt: String) -> Result<TokenCount, Problem> {
        let unknown = self.unknown_loras(&prompt);
        let mut count = tokens::count(prompt, negative_prompt, self.wildcards.clone(), self.library.shelf()).await?;
        count.warnings.extend(unknown);
        Ok(count)
    }
}
