//! The actions of the studio's buttons. A button carries `data-act` and perhaps `data-id`; one click listener at the
//! studio's root parses both and dispatches the action. A closure for each button would cost about 1.5 kB of WASM each.
//! Parts of the page that are loaded on demand have listeners of their own, so that this list does not load their actions.

use crate::browser;
use leptos::web_sys;

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
    /// Pauses the task.
    PauseTask = "pause-task",
    /// Resumes the task.
    ResumeTask = "resume-task",
    /// Changes the task to what the form says.
    SteerTask = "steer",
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
    /// Hides the offer to undo a deletion.
    DismissDone = "dismiss-done",
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
    /// Opens or closes the wall: all takes at once.
    Wall = "wall",
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
    /// Makes the form's generation no branch.
    ClearBranch = "clear-branch",
    /// Removes a style from the form; the id is its place.
    RemoveStyle = "remove-style",
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

    /// The action of the button that was clicked, and its id: see [`clicked`].
    pub fn of_click(event: &web_sys::Event) -> Option<(Self, i64)> {
        let (name, id) = clicked(event)?;
        Some((Self::from_name(&name)?, id))
    }
}

impl From<Act> for &'static str {
    fn from(act: Act) -> Self {
        act.as_str()
    }
}

/// The `data-act` of the button that was clicked, and its id: the button's own, else that of the nearest ancestor with
/// one, else 0.
pub fn clicked(event: &web_sys::Event) -> Option<(String, i64)> {
    let button = browser::target(event)?.closest("[data-act]").ok()??;
    let act = button.get_attribute("data-act")?;
    let named = button.closest("[data-id]:not([data-id=''])").ok().flatten();
    let id = named.and_then(|part| part.get_attribute("data-id")?.parse().ok()).unwrap_or_default();
    Some((act, id))
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
