//! The one owner of what the studio shows: it hears events, carries out commands, and is read by the views.

use super::{
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
    /// What is known of the project.
    pub state: RwSignal<StudioState>,
    /// Which pictures are on the screen.
    pub pictures: RwSignal<Pictures>,
    /// How often they are fetched.
    pub pace: RwSignal<Pace>,
    /// The frame that a person has chosen.
    pub chosen: RwSignal<Option<FrameId>>,
    /// The frame that the viewer and the inspector show.
    pub current: Memo<Option<Frame>>,
    /// The frame under the play cursor.
    pub playing: RwSignal<Option<FrameId>>,
    /// What the viewer shows: the frame under the cursor, else the current one.
    pub seen: Memo<Option<Frame>>,
    /// How strongly the neighbours shine through: 0 for not at all, to 3.
    pub onion: RwSignal<u8>,
    /// A take that is laid beside the one that is shown.
    pub compared: RwSignal<Option<Take>>,
    /// Counts the changes of the form, typed or filled in.
    pub form_version: RwSignal<u32>,
    /// Why the last command was not carried out.
    pub refused: RwSignal<Option<String>>,
}

/// When it is tried again to read everything anew.
const RELOADED_AFTER_MS: u32 = 2000;

impl Store {
    /// The studio as the server has read it.
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
            form_version: RwSignal::new(0),
            refused: RwSignal::new(None),
        }
    }

    /// The project.
    pub fn project_id(self) -> ProjectId {
        self.state.with_untracked(|state| state.project.id)
    }

    /// Takes in a message from the socket; an event of a newer server that is not known is passed over.
    pub fn hear(self, text: &str) {
        if let Some(message) = wire::message(text)
            && self.state.try_update(|state| state.apply(message)) == Some(Next::Reload)
        {
            self.reload();
        }
    }

    /// Where the socket is to be opened, so that nothing after the newest event heard is missed.
    pub fn socket_path(self) -> String {
        let of = |state: &StudioState| {
            format!("/ws?project_id={}&epoch={}&since={}", state.project.id, state.epoch, state.seq)
        };
        self.state.try_with_untracked(of).unwrap_or_else(|| "/ws".to_owned())
    }

    /// Reads everything anew; what is heard meanwhile is kept back until then.
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
                    // A server that went says hello when it is back. A request alone can be lost too, and until one
                    // succeeds nothing that is heard is shown.
                    browser::wait(RELOADED_AFTER_MS).await;
                    if self.state.try_with_untracked(StudioState::is_reloading) == Some(true) {
                        self.reload();
                    }
                }
            }
        });
    }

    /// Carries out a command; a refusal is told.
    pub fn run<T: 'static>(self, command: impl Future<Output = Result<T, AppError>> + 'static) {
        spawn_local(async move {
            match command.await {
                Ok(_) => _ = self.refused.try_set(None),
                Err(error) => self.refuse(error),
            }
        });
    }

    /// Tells why something was not done.
    pub fn refuse(self, error: AppError) {
        self.refused.try_set(Some(sentence(&error.problem.to_string())));
    }

    /// The frame that is shown stays shown: someone works on it.
    pub fn pin(self) {
        if self.chosen.get_untracked().is_none() {
            self.chosen.set(self.current.with_untracked(|frame| frame.as_ref().map(|frame| frame.id)));
        }
    }

    /// The frame that is shown, and its open task.
    pub fn current_task(self) -> Option<TaskSummary> {
        let frame = self.current.get()?;
        self.state.with(|state| state.task_of(&frame).cloned())
    }

    /// The address of a frame's picture on the screen.
    pub fn address(self, id: FrameId) -> String {
        self.pictures.with(|pictures| pictures.shown(id).unwrap_or_default().to_owned())
    }

    /// Chooses how often pictures are fetched, in this browser.
    pub fn set_pace(self, pace: Pace) {
        self.pace.set(pace);
        browser::remember("pace", pace.as_str());
    }

    /// Chooses the frame that many places from the current one.
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
