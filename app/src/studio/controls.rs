//! Carries out the actions of the studio's buttons.

use super::{
    Store, form::GenerationForm, inspector::Inspector, side_panels::SidePanels, timeline::Timeline, viewer::Stage,
};
use crate::{
    act::Act,
    serverfns::{
        queue::{pause_queue, reorder_queue},
        tasks::{cancel_task, keep_task, pause_task, resume_task, retry_task},
    },
};
use leptos::{ev, prelude::*};
use protocol::{FrameId, TakeId, TaskId};

/// The parts of the studio that carry out actions.
#[derive(Clone, Copy)]
pub struct Controls {
    pub store: Store,
    pub form: GenerationForm,
    pub stage: Stage,
    pub inspector: Inspector,
    pub timeline: Timeline,
    pub side_panels: SidePanels,
}

impl Controls {
    /// Carries out the action of the button that was clicked. A form around it is not posted.
    pub fn click(self, event: &ev::MouseEvent) {
        if let Some((act, id)) = Act::of_click(event) {
            event.prevent_default();
            self.run(act, id, event);
        }
    }

    fn run(self, act: Act, id: i64, event: &ev::MouseEvent) {
        let Self { store, form, stage, inspector, timeline, side_panels } = self;
        match act {
            Act::CancelTask => store.run(cancel_task(TaskId(id))),
            Act::KeepTask => store.run(keep_task(TaskId(id))),
            Act::PauseTask => store.run(pause_task(TaskId(id))),
            Act::ResumeTask => store.run(resume_task(TaskId(id))),
            Act::SteerTask => form.steer(TaskId(id)),
            Act::RetryTask => store.run(retry_task(TaskId(id))),
            Act::DismissTask => store.state.update(|state| state.dismiss(TaskId(id))),
            Act::RunNext => store.run(reorder_queue(vec![TaskId(id)])),
            Act::PauseQueue => store.run(pause_queue(true)),
            Act::ResumeQueue => store.run(pause_queue(false)),
            Act::CancelAll => cancel_all(store),
            Act::DismissError => store.refused.set(None),
            Act::DismissDone => store.done.set(None),
            Act::SelectFrame => timeline.select(event, FrameId(id)),
            Act::Play => timeline.toggle_play(),
            Act::PreviousFrame => timeline.step(-1),
            Act::NextFrame => timeline.step(1),
            Act::Loop => timeline.toggle_loop(),
            Act::OnionSkin => store.next_onion(),
            Act::SelectSeveral => timeline.toggle_multi_select(),
            Act::AddBlank => timeline.add_blank(),
            Act::Undo => timeline.undo(),
            Act::Redo => timeline.redo(),
            Act::Narrower => timeline.zoom_middle(0.8),
            Act::Wider => timeline.zoom_middle(1.25),
            Act::MoveEarlier => timeline.nudge(FrameId(id), false),
            Act::MoveLater => timeline.nudge(FrameId(id), true),
            Act::DuplicateFrame => timeline.duplicate(FrameId(id)),
            Act::DeleteFrame => timeline.delete(FrameId(id)),
            Act::ZoomFit => stage.fit(),
            Act::ZoomActual => stage.actual_size(),
            Act::ZoomIn => stage.zoom_in(),
            Act::ZoomOut => stage.zoom_out(),
            Act::Compare => inspector.toggle_comparison(),
            Act::Wall => store.toggle_wall(),
            Act::SelectTake => timeline.edit(inspector.select(TakeId(id)).into_iter().collect()),
            Act::DeleteTake => timeline.edit(inspector.delete(TakeId(id)).into_iter().collect()),
            Act::UseSettings => inspector.use_settings(TakeId(id)),
            Act::StartFrom => form.start_from(TakeId(id)),
            Act::NewTake => inspector.new_take(TakeId(id)),
            Act::VaryTake => inspector.vary(TakeId(id)),
            Act::FoldForm => side_panels.left.fold(),
            Act::FoldInspector => side_panels.right.fold(),
            Act::UseExample => form.use_example(event),
            Act::UseRecent => form.use_recent(id),
            Act::ClearStart => form.clear_start(),
            Act::ClearBranch => form.clear_branch(),
            Act::RemoveStyle => form.remove_style(id),
            Act::RandomSeed => form.random_seed(),
            Act::LastSeed => form.last_seed(),
        }
    }
}

fn cancel_all(store: Store) {
    let tasks = store.state.with_untracked(|state| state.tasks.clone());
    // Queued tasks first, so that none starts in place of a running one that was cancelled.
    for task in tasks.into_iter().rev() {
        store.run(cancel_task(task.task_id));
    }
}
