//! Changing the picture that is forming to what the form says.

use super::GenerationForm;
use crate::{
    act::Act,
    buttons::button,
    serverfns::tasks::update_task,
    view::{dynamic, nothing},
};
use leptos::prelude::*;
use protocol::{Problem, TaskId, TaskPatch, TaskStatus, TaskSummary};

impl GenerationForm {
    /// The button, while the viewer shows a picture that is running or paused.
    pub(super) fn steer_button(self) -> AnyView {
        let forms = |task: &TaskSummary| matches!(task.status, TaskStatus::Running | TaskStatus::Paused);
        let id = Memo::new(move |_| self.store.current_task().filter(forms).map(|task| task.task_id));
        dynamic(move || match id.get() {
            Some(id) => button("button maker-steer", Act::SteerTask, id, "Apply from the next step"),
            None => nothing(),
        })
    }

    /// Changes the task's prompts and guidance scale to those of the form.
    pub fn steer(self, task: TaskId) {
        let Some(draft) = self.draft() else { return };
        let new = match draft.read() {
            Ok(new) if new.styles.is_empty() => new,
            Ok(_) => {
                let why = "styles cannot be applied to a picture that is forming; put their text into the prompt";
                return self.store.refuse(Problem::Conflict(why.to_owned()).into());
            }
            Err(problem) => return self.store.refuse(problem.into()),
        };
        let (prompt, negative_prompt, cfg_scale) = (Some(new.prompt), new.negative_prompt, new.cfg_scale);
        let patch = TaskPatch { prompt, negative_prompt, cfg_scale, ..TaskPatch::default() };
        self.store.run(update_task(task, patch));
    }
}
