//! The owner of the studio's state: it applies events, runs commands, and is read by the views.

use super::{
    cells::OpenWall,
    refresh::{Pace, Pictures},
    state::{Next, StudioState},
};
use crate::{
    browser,
    error::{AppError, sentence},
    live::wire,
    serverfns::studio::get_studio,
};
use leptos::{prelude::*, task::spawn_local};
use protocol::{Frame, FrameId, ProjectId, Studio, Take, TaskSummary};

/// The studio's state as signals. Copied freely: it only points at them.
#[derive(Clone, Copy)]
pub struct Store {
    /// The project's state.
    pub state: RwSignal<StudioState>,
    /// Which pictures are on the screen.
    pub pictures: RwSignal<Pictures>,
    /// The refresh interval of previews.
    pub pace: RwSignal<Pace>,
    /// The frame that was selected.
    pub chosen: RwSignal<Option<FrameId>>,
    /// The frame that the viewer and the inspector show.
    pub current: Memo<Option<Frame>>,
    /// The frame under the play cursor.
    pub playing: RwSignal<Option<FrameId>>,
    /// The frame in the viewer: the one under the play cursor, else the current one.
    pub seen: Memo<Option<Frame>>,
    /// Strength of the onion skin, 0 (off) to 3.
    pub onion: RwSignal<u8>,
    /// The take that is compared with the selected one.
    pub compared: RwSignal<Option<Take>>,
    /// The step that the scrub bar shows in place of the current frame's picture.
    pub scrubbed: RwSignal<Option<StepPicture>>,
    /// The wall that is open: all takes of a frame at once.
    pub wall: RwSignal<Option<OpenWall>>,
    /// Whether the viewer shows the wall of the current frame.
    pub shows_wall: Memo<bool>,
    /// Why the last command was rejected.
    pub refused: RwSignal<Option<String>>,
    /// What was deleted just now and can be undone.
    pub done: RwSignal<Option<Done>>,
}

/// A deletion that the page offers to undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// A take.
    TakeDeleted,
    /// This many frames.
    FramesDeleted(usize),
}

impl Done {
    /// As a sentence.
    pub fn text(self) -> String {
        match self {
            Self::TakeDeleted => "Take deleted.".to_owned(),
            Self::FramesDeleted(1) => "Frame deleted.".to_owned(),
            Self::FramesDeleted(frames) => format!("{frames} frames deleted."),
        }
    }
}

/// How long the offer to undo a deletion is shown. Ctrl+Z and the bin do the same afterwards.
const OFFER_MS: u32 = 10_000;

/// A decoded picture of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepPicture {
    /// Its URL.
    pub src: String,
    /// `Step 8 of 20`.
    pub alt: String,
}

/// Wait before a failed reload is retried.
const RETRY_RELOAD_MS: u32 = 2000;

impl Store {
    /// The state that the page was rendered with.
    pub fn new(studio: Studio) -> Self {
        let seeded = StudioState::from(studio);
        let pictures = RwSignal::new(Pictures::of(&seeded));
        let state = RwSignal::new(seeded);
        let chosen = RwSignal::new(None);
        let current = Memo::new(move |before: Option<&Option<Frame>>| {
            let (chosen, before): (Option<FrameId>, _) =
                (chosen.get(), before.and_then(|frame| Some(frame.as_ref()?.id)));
            state.with(|state| chosen.and_then(|id| state.frame(id)).or_else(|| state.default_frame(before)).cloned())
        });
        let playing = RwSignal::new(None);
        let seen = Memo::new(move |_| {
            let under: Option<FrameId> = playing.get();
            under.and_then(|id| state.with(|state| state.frame(id).cloned())).or_else(|| current.get())
        });
        let wall = RwSignal::new(None::<OpenWall>);
        let shows_wall = Memo::new(move |_| {
            let of = wall.with(|wall| wall.as_ref().map(|wall| wall.frame));
            of.is_some()
                && playing.with(Option::is_none)
                && current.with(|frame| frame.as_ref().map(|frame| frame.id)) == of
        });
        Self {
            state,
            pictures,
            pace: RwSignal::new(Pace::default()),
            chosen,
            current,
            playing,
            seen,
            onion: RwSignal::new(0),
            compared: RwSignal::new(None),
            scrubbed: RwSignal::new(None),
            wall,
            shows_wall,
            refused: RwSignal::new(None),
            done: RwSignal::new(None),
        }
    }

    /// The project's id.
    pub fn project_id(self) -> ProjectId {
        self.state.with_untracked(|state| state.project.id)
    }

    /// Applies a message from the socket. Unknown types are ignored.
    pub fn handle_message(self, text: &str) {
        if let Some(message) = wire::message(text)
            && self.state.try_update(|state| state.apply(message)) == Some(Next::Reload)
        {
            self.reload();
        }
    }

    /// The path of the socket: it continues after the newest event that was applied.
    pub fn socket_path(self) -> String {
        let of = |state: &StudioState| {
            format!("/ws?project_id={}&epoch={}&since={}", state.project.id, state.epoch, state.seq)
        };
        self.state.try_with_untracked(of).unwrap_or_else(|| "/ws".to_owned())
    }

    /// Reads the whole state again. Events that arrive meanwhile are buffered and applied afterwards.
    pub fn reload(self) {
        self.state.update(StudioState::hold);
        let id = self.project_id();
        spawn_local(async move {
            match get_studio(id).await {
                Ok(Some(studio)) => match studio.open() {
                    Ok(studio) => {
                        let next = self.state.try_update(|state| state.replace(studio));
                        if next == Some(Next::Reload) {
                            self.reload();
                        }
                    }
                    Err(error) => self.refuse(error),
                },
                Ok(None) => _ = self.state.try_update(|state| state.deleted = true),
                Err(error) => {
                    self.refuse(error);
                    // After a restart the server's hello triggers a reload. A single request can be lost too, and until one
                    // succeeds all events stay buffered.
                    browser::wait(RETRY_RELOAD_MS).await;
                    if self.state.try_with_untracked(StudioState::is_reloading) == Some(true) {
                        self.reload();
                    }
                }
            }
        });
    }

    /// Runs a command and shows its error.
    pub fn run<T: 'static>(self, command: impl Future<Output = Result<T, AppError>> + 'static) {
        spawn_local(async move {
            match command.await {
                Ok(_) => _ = self.refused.try_set(None),
                Err(error) => self.refuse(error),
            }
        });
    }

    /// Shows an error.
    pub fn refuse(self, error: AppError) {
        self.refused.try_set(Some(sentence(&error.problem.to_string())));
    }

    /// Offers to undo a deletion for a while, in place of an earlier offer.
    pub fn offer_undo(self, done: Option<Done>) {
        self.done.set(done);
        let Some(done) = done else { return };
        spawn_local(async move {
            browser::wait(OFFER_MS).await;
            if self.done.try_get_untracked() == Some(Some(done)) {
                self.done.set(None);
            }
        });
    }

    /// Keeps showing the current frame, because someone is editing it.
    pub fn pin(self) {
        if self.chosen.get_untracked().is_none() {
            self.chosen.set(self.current.with_untracked(|frame| frame.as_ref().map(|frame| frame.id)));
        }
    }

    /// The open task of the current frame.
    pub fn current_task(self) -> Option<TaskSummary> {
        let frame = self.current.get()?;
        self.state.with(|state| state.task_of(&frame).cloned())
    }

    /// The number of open tasks of the current frame.
    pub fn open_tasks_of_current(self) -> usize {
        let id = self.current.with(|frame| frame.as_ref().map(|frame| frame.id));
        self.state.with(|state| state.tasks.iter().filter(|task| Some(task.frame_id) == id).count())
    }

    /// Opens the wall of the current frame, or closes it.
    pub fn toggle_wall(self) {
        let current = self.current.with_untracked(|frame| frame.as_ref().map(|frame| frame.id));
        let is_open = self.shows_wall.get_untracked();
        // The frame stays, whichever is being made next.
        self.pin();
        self.wall.set(current.filter(|_| !is_open).map(OpenWall::of));
    }

    /// The URL of a frame's picture on the screen.
    pub fn address(self, id: FrameId) -> String {
        self.pictures.with(|pictures| pictures.shown(id).unwrap_or_default().to_owned())
    }

    /// Sets the refresh interval and stores it in the browser.
    pub fn set_pace(self, pace: Pace) {
        self.pace.set(pace);
        browser::remember("pace", pace.as_str());
    }

    /// Next strength of the onion skin.
    pub fn next_onion(self) {
        self.onion.update(|onion| *onion = (*onion + 1) % 4);
    }

    /// Selects the frame at this distance from the current one.
    pub fn step(self, by: isize) {
        let current = self.current.with_untracked(|frame| frame.as_ref().map(|frame| frame.id));
        let next = self.state.with_untracked(|state| {
            let last = state.frames.len().checked_sub(1)?;
            let at = state.frames.iter().position(|frame| Some(frame.id) == current).unwrap_or_default();
            Some(state.frames[at.saturating_add_signed(by).min(last)].id)
        });
        if next.is_some() {
            self.chosen.set(next);
        }
    }
}
