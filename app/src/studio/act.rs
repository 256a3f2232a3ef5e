//! The actions of the studio's buttons. A button carries `data-act` and perhaps `data-id`; one click listener at the
//! studio's root parses both and dispatches the action. A closure for each button would cost about 1.5 kB of WASM each.

use super::{
    Store,
    inspector::Inspector,
    panels::{Export, Log},
    side_panels::SidePanels,
    timeline::Timeline,
    viewer::Stage,
};
use crate::{
    browser,
    forms::GenerationForm,
    serverfns::{
        queue::{pause_queue, reorder_queue},
        tasks::{cancel_task, keep_task, retry_task},
    },
};
use leptos::{ev, prelude::*, web_sys};
use protocol::{ExportId, FrameId, TakeId, TaskId};

macro_rules! acts {
    ($($(#[$doc:meta])* $act:ident = $name:literal,)*) => {
        /// What a button does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Act {
            $($(#[$doc])* $act,)*
        }

        /// Each action with its name, in the order of the enum.
        const ACTS: &[(Act, &str)] = &[$((Act::$act, $name),)*];
    };
}

acts! {
    /// Cancels the task.
    CancelTask = "cancel",
    /// Ends the task at its current step and keeps the picture.
    KeepTask = "keep",
    /// Enqueues a failed or cancelled task again.
    RetryTask = "retry",
    /// Hides the notice of a failed or cancelled task.
    DismissTask = "dismiss",
    /// Moves the task to the front of the queue.
    RunNext = "first",
    /// Pauses the queue.
    PauseQueue = "pause",
    /// Resumes the queue.
    ResumeQueue = "resume",
    /// Cancels every task of the project.
    CancelAll = "cancel-all",
    /// Hides the error of the last command.
    DismissError = "understood",
    /// Shows the frame, or adds it to the selection.
    SelectFrame = "select",
    /// Plays or pauses.
    Play = "play",
    /// Shows the previous frame.
    PreviousFrame = "step-back",
    /// Shows the next frame.
    NextFrame = "step-on",
    /// Turns looping on or off.
    Loop = "loop",
    /// Next strength of the onion skin.
    OnionSkin = "onion",
    /// Turns selecting several clips by clicks on or off.
    SelectSeveral = "marking",
    /// Adds a blank frame.
    AddBlank = "blank",
    /// Undoes the newest edit of the timeline.
    Undo = "undo",
    /// Redoes the edit that was undone last.
    Redo = "redo",
    /// Zooms the timeline out.
    Narrower = "narrower",
    /// Zooms the timeline in.
    Wider = "wider",
    /// Moves the frame one place towards the start.
    MoveEarlier = "earlier",
    /// Moves the frame one place towards the end.
    MoveLater = "later",
    /// Duplicates the frame.
    DuplicateFrame = "duplicate-frame",
    /// Deletes the frame.
    DeleteFrame = "delete-frame",
    /// Fits the picture into the viewer.
    ZoomFit = "zoom-fit",
    /// Shows the picture at its own size.
    ZoomActual = "zoom-actual",
    /// Enlarges the picture.
    ZoomIn = "zoom-in",
    /// Reduces the picture.
    ZoomOut = "zoom-out",
    /// Starts or ends the comparison of two takes.
    Compare = "compare",
    /// Selects the take.
    SelectTake = "take",
    /// Deletes the take.
    DeleteTake = "delete-take",
    /// Fills the form with the take's parameters.
    UseSettings = "use-settings",
    /// Makes the take the form's initial image.
    StartFrom = "start-from",
    /// Generates another take with the same parameters.
    NewTake = "new-take",
    /// Generates a variation of the take.
    VaryTake = "vary",
    /// Exports the sequence.
    Export = "export",
    /// Deletes the export.
    DeleteExport = "delete-export",
    /// Pauses or resumes the event log.
    PauseLog = "log-pause",
    /// Empties the event log.
    ClearLog = "log-clear",
    /// Folds or unfolds the form.
    FoldForm = "fold-maker",
    /// Folds or unfolds the inspector.
    FoldInspector = "fold-inspector",
    /// Puts an example into the prompt.
    UseExample = "example",
    /// Puts a recent prompt into the form; the id is its index.
    UseRecent = "recent",
    /// Removes the form's initial image.
    ClearStart = "start-anew",
    /// Empties the seed.
    RandomSeed = "seed-random",
    /// Sets the seed to that of the last generation.
    LastSeed = "seed-last",
}

impl Act {
    /// Its name, the value of `data-act`.
    pub fn as_str(self) -> &'static str {
        ACTS[self as usize].1
    }

    /// The action of this name.
    fn from_name(name: &str) -> Option<Self> {
        ACTS.iter().find(|(_, known)| *known == name).map(|(act, _)| *act)
    }

    /// The action of the button that was clicked, and its id: the button's own, else that of the nearest ancestor with
    /// one, else 0.
    fn of_click(event: &web_sys::Event) -> Option<(Self, i64)> {
        let button = browser::target(event)?.closest("[data-act]").ok()??;
        let act = Self::from_name(&button.get_attribute("data-act")?)?;
        let named = button.closest("[data-id]:not([data-id=''])").ok().flatten();
        let id = named.and_then(|part| part.get_attribute("data-id")?.parse().ok()).unwrap_or_default();
        Some((act, id))
    }
}

/// The parts of the studio that carry out actions.
#[derive(Clone, Copy)]
pub struct Controls {
    pub store: Store,
    pub form: GenerationForm,
    pub stage: Stage,
    pub inspector: Inspector,
    pub timeline: Timeline,
    pub export: Export,
    pub log: Log,
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
        let Self { store, form, stage, inspector, timeline, export, log, side_panels } = self;
        match act {
            Act::CancelTask => store.run(cancel_task(TaskId(id))),
            Act::KeepTask => store.run(keep_task(TaskId(id))),
            Act::RetryTask => store.run(retry_task(TaskId(id))),
            Act::DismissTask => store.state.update(|state| state.dismiss(TaskId(id))),
            Act::RunNext => store.run(reorder_queue(vec![TaskId(id)])),
            Act::PauseQueue => store.run(pause_queue(true)),
            Act::ResumeQueue => store.run(pause_queue(false)),
            Act::CancelAll => cancel_all(store),
            Act::DismissError => store.refused.set(None),
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
            Act::SelectTake => inspector.select(TakeId(id)),
            Act::DeleteTake => inspector.delete(TakeId(id)),
            Act::UseSettings => inspector.use_settings(TakeId(id)),
            Act::StartFrom => form.start_from(TakeId(id)),
            Act::NewTake => inspector.new_take(TakeId(id)),
            Act::VaryTake => inspector.vary(TakeId(id)),
            Act::Export => export.start(),
            Act::DeleteExport => export.delete(ExportId(id)),
            Act::PauseLog => log.toggle(),
            Act::ClearLog => log.clear(),
            Act::FoldForm => side_panels.left.fold(),
            Act::FoldInspector => side_panels.right.fold(),
            Act::UseExample => form.use_example(event),
            Act::UseRecent => form.use_recent(id),
            Act::ClearStart => form.clear_start(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for (act, name) in ACTS {
            assert_eq!((act.as_str(), Act::from_name(name)), (*name, Some(*act)));
        }
        assert_eq!(Act::from_name("later-version"), None);
    }
}
