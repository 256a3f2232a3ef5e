//! How the events of a generation change the state.

use super::{Ended, MAX_ENDED, StudioState};
use protocol::{
    Frame, FrameStatus, GenerationCompleted, GenerationIds, GenerationInterrupted, GenerationProgress,
    GenerationStarted, GenerationSteered, TaskStatus, TaskSummary,
};

impl StudioState {
    /// A worker has claimed a task. `has_ended`: the event is older than the last list of open tasks, so that an unlisted task
    /// has ended since.
    pub(super) fn started(&mut self, data: GenerationStarted, has_ended: bool) {
        let GenerationStarted { of, preview_path, step, total_steps, .. } = data;
        if has_ended && self.task(of.task_id).is_none() {
            return;
        }
        self.advance(&of, step, total_steps, &preview_path, (None, None));
        self.show_running(&of, preview_path);
        if let Some(place) = self.frames.iter().position(|frame| frame.id == of.frame_id) {
            self.spoken = format!("Frame {} is being made.", place + 1);
        }
    }

    /// A step is done. Late events of ended tasks are ignored.
    pub(super) fn progressed(&mut self, data: GenerationProgress) {
        let GenerationProgress { of, step, total_steps, preview_path, eta_ms, waiting_for } = data;
        if self.task(of.task_id).is_none() {
            return;
        }
        self.advance(&of, step, total_steps, &preview_path, (eta_ms, waiting_for));
        self.show_running(&of, preview_path);
    }

    /// The picture is finished.
    pub(super) fn completed(&mut self, data: GenerationCompleted) {
        let GenerationCompleted { of, frame, step, total_steps, final_path, etag, .. } = data;
        self.close(&of);
        match frame {
            Some(frame) => self.put(frame),
            None => self.show_finished(&of, final_path, etag),
        }
        if let Some(place) = self.frames.iter().position(|frame| frame.id == of.frame_id) {
            let kept = if step < total_steps { format!(", kept at step {step}") } else { String::new() };
            self.spoken = format!("Frame {} is finished{kept}.", place + 1);
        }
    }

    /// The task failed or was cancelled.
    pub(super) fn ended(
        &mut self,
        of: &GenerationIds,
        frame_removed: bool,
        frame: Option<Frame>,
        error: Option<String>,
    ) {
        let (prompt, seed) = self.task(of.task_id).map(|task| (task.prompt.clone(), task.seed)).unwrap_or_default();
        self.close(of);
        match frame {
            Some(frame) if !frame_removed => self.put(frame),
            _ if frame_removed => self.remove(of.frame_id),
            _ => {}
        }
        self.spoken = match &error {
            Some(why) => format!("A generation failed: {why}"),
            None => "The generation was cancelled.".to_owned(),
        };
        self.ended.retain(|ended| ended.task_id != of.task_id);
        let GenerationIds { task_id, frame_id, take_id, .. } = *of;
        self.ended.push(Ended { task_id, frame_id, take_id, seed, prompt, error });
        let surplus = self.ended.len().saturating_sub(MAX_ENDED);
        self.ended.drain(..surplus);
    }

    /// The task waits again, to go on from its saved steps. Without this, the step of the lost attempt would count as
    /// newer than the queue's state, and the task would seem to run until it does.
    pub(super) fn interrupted(&mut self, data: GenerationInterrupted) {
        let GenerationInterrupted { of, step, frame, .. } = data;
        self.halt(&of, (TaskStatus::Queued, step), frame, "was interrupted and waits again");
    }

    /// A user changed the task.
    pub(super) fn steered(&mut self, data: GenerationSteered) {
        for task in self.tasks.iter_mut().chain(&mut self.queue.tasks) {
            if task.task_id == data.of.task_id {
                task.total_steps = data.total_steps;
            }
        }
    }

    /// A user paused the task, or resumed it: then it waits.
    pub(super) fn paused(&mut self, of: &GenerationIds, step: u32, frame: Option<Frame>, is_paused: bool) {
        match is_paused {
            true => self.halt(of, (TaskStatus::Paused, step), frame, "is paused"),
            false => self.halt(of, (TaskStatus::Queued, step), frame, "waits to go on"),
        }
    }

    /// The attempt no longer runs, but the task is open.
    fn halt(&mut self, of: &GenerationIds, (status, step): (TaskStatus, u32), frame: Option<Frame>, spoken: &str) {
        for task in self.tasks.iter_mut().chain(&mut self.queue.tasks) {
            if task.task_id == of.task_id && task.attempt <= of.attempt {
                (task.status, task.attempt, task.step) = (status, of.attempt, step);
                (task.eta_ms, task.waiting_for, task.loading) = (None, None, None);
            }
        }
        if let Some(frame) = frame {
            self.put(frame);
        }
        if let Some(place) = self.frames.iter().position(|frame| frame.id == of.frame_id) {
            self.spoken = format!("Frame {} {spoken}.", place + 1);
        }
    }

    /// Updates a task's attempt, step, remaining time and reason to wait; older events are ignored.
    fn advance(
        &mut self,
        of: &GenerationIds,
        step: u32,
        total_steps: u32,
        path: &str,
        (eta_ms, waiting_for): (Option<u64>, Option<String>),
    ) {
        self.ended.retain(|ended| ended.task_id != of.task_id);
        for task in self.tasks.iter_mut().chain(&mut self.queue.tasks) {
            if task.task_id == of.task_id && (of.attempt, step) >= (task.attempt, task.step) {
                task.status = TaskStatus::Running;
                (task.attempt, task.step, task.total_steps, task.eta_ms) = (of.attempt, step, total_steps, eta_ms);
                task.waiting_for.clone_from(&waiting_for);
                task.loading = None;
            }
        }
        if self.task(of.task_id).is_none() {
            self.tasks.push(TaskSummary {
                task_id: of.task_id,
                frame_id: of.frame_id,
                project_id: of.project_id,
                take_id: of.take_id,
                status: TaskStatus::Running,
                attempt: of.attempt,
                step,
                total_steps,
                eta_ms,
                waiting_for,
                loading: None,
                overnight: false,
                pause_at: None,
                seed: 0,
                preview_path: path.to_owned(),
                prompt: String::new(),
            });
        }
    }

    /// Shows the newest running take of the frame.
    fn show_running(&mut self, of: &GenerationIds, path: String) {
        let Some(frame) = self.frames.iter_mut().find(|frame| frame.id == of.frame_id) else { return };
        if frame.status == FrameStatus::Running && frame.take_id > of.take_id {
            return;
        }
        frame.status = FrameStatus::Running;
        (frame.take_id, frame.task_id, frame.path) = (of.take_id, of.task_id, path);
    }

    fn show_finished(&mut self, of: &GenerationIds, path: String, etag: String) {
        let shown = |frame: &&mut Frame| frame.id == of.frame_id && frame.task_id == of.task_id;
        if let Some(frame) = self.frames.iter_mut().find(shown) {
            frame.status = FrameStatus::Ready;
            (frame.path, frame.etag, frame.selected_take_id) = (path, Some(etag), Some(of.take_id));
        }
    }

    fn close(&mut self, of: &GenerationIds) {
        self.tasks.retain(|task| task.task_id != of.task_id);
        self.queue.tasks.retain(|task| task.task_id != of.task_id);
    }
}
