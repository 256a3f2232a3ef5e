//! Buttons of the studio. Each triggers an [`Act`], or an action of a part that is loaded on demand.

use crate::{act::Act, icons::Icon, view::Erase};
use leptos::prelude::*;
use protocol::TaskId;

/// A button that triggers an action.
pub fn button(
    class: &'static str,
    act: impl Into<&'static str>,
    id: impl ToString,
    label: impl Into<String>,
) -> AnyView {
    fn erased(class: &'static str, act: &'static str, id: String, label: String) -> AnyView {
        view! { <button class=class type="button" data-act=act data-id=id>{label}</button> }.erase()
    }
    erased(class, act.into(), id.to_string(), label.into())
}

/// The same with an icon.
pub fn icon_button(act: impl Into<&'static str>, id: impl ToString, label: &'static str, icon: Icon) -> AnyView {
    fn erased(act: &'static str, id: String, label: &'static str, icon: Icon) -> AnyView {
        view! {
            <button class="icon-button" type="button" data-act=act data-id=id aria-label=label title=label>
                {icon.view()}
            </button>
        }
        .erase()
    }
    erased(act.into(), id.to_string(), label, icon)
}

/// An icon button that is pressed or not.
pub fn toggle_button(
    act: Act,
    label: &'static str,
    title: &'static str,
    icon: Icon,
    pressed: Signal<String>,
) -> AnyView {
    view! {
        <button class="icon-button toggle" type="button" data-act=act.as_str() aria-label=label title=title aria-pressed=pressed>
            {icon.view()}
        </button>
    }
    .erase()
}

/// A button that also works without script: it posts its id to a server function.
pub fn post_button(
    class: &'static str,
    path: &'static str,
    act: Act,
    id: impl ToString,
    label: &'static str,
) -> AnyView {
    fn erased(class: &'static str, path: &'static str, act: Act, id: String, label: &'static str) -> AnyView {
        view! {
            <form class="inline-form" method="post" action=protocol::url_path(path)>
                <input type="hidden" name="id" value=id.clone()/>
                <button class=class type="submit" data-act=act.as_str() data-id=id>{label}</button>
            </form>
        }
        .erase()
    }
    erased(class, path, act, id.to_string(), label)
}

/// Pauses a task, or resumes it while it is paused.
pub fn pause_button(id: TaskId, is_paused: bool) -> AnyView {
    match is_paused {
        true => post_button("button button-small", "/fn/tasks/resume", Act::ResumeTask, id, "Resume"),
        false => post_button("button button-small", "/fn/tasks/pause", Act::PauseTask, id, "Pause it"),
    }
}
