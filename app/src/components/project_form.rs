//! The form that makes a project.

use super::{
    Field, Notice,
    field::{Bounds, focus_first_invalid},
    size_picker::SizePicker,
};
use crate::{
    error::AppError,
    form::{DEFAULT_FPS, PRESETS, ProjectDraft},
    serverfns::projects::CreateProject,
};
use leptos::{
    ev::SubmitEvent,
    form::{ActionForm, FromFormData},
    html,
    prelude::*,
};
use protocol::project::limits;

const FIELDS: [&str; 5] = ["name", "size", "width", "height", "fps"];

/// Name, size and frame rate. Read here first, with the function that the server uses; so a slip is told
/// without a request, and a form posted without script is told the same.
#[component]
pub fn ProjectForm(
    /// What it does.
    action: ServerAction<CreateProject>,
    /// Beside the button that makes the project: a way out, where there is one.
    #[prop(optional)]
    cancel: Option<AnyView>,
) -> impl IntoView {
    let form = NodeRef::<html::Form>::new();
    let value = action.value();
    let kept = move |field: &str, fallback: String| {
        let typed = |error: &AppError| error.kept(field).map(str::to_owned);
        value.with_untracked(|outcome| typed(outcome.as_ref()?.as_ref().err()?)).unwrap_or(fallback)
    };
    let error_at = move |field: &'static str| {
        Signal::derive(move || {
            value.with(|outcome| outcome.as_ref()?.as_ref().err()?.at_field(field).map(str::to_owned))
        })
    };
    let beside = move || value.with(|outcome| outcome.as_ref()?.as_ref().err()?.beside_fields(&FIELDS));
    let check = move |event: SubmitEvent| {
        if let Ok(typed) = CreateProject::from_event(&event) {
            let CreateProject { name, size, width, height, fps } = typed;
            let draft = ProjectDraft { name, size, width, height, fps };
            if let Err(problem) = draft.read() {
                event.prevent_default();
                value.set(Some(Err(problem.into())));
            }
        }
    };
    focus_first_invalid(form, move || value.with(|outcome| matches!(outcome, Some(Err(_)))));
    let fps = Bounds { range: limits::FPS, step: 1 };
    view! {
        <ActionForm action node_ref=form attr:class="form" attr:novalidate=true on:submit:capture=check>
            <Notice message=Signal::derive(beside)/>
            <Field id="project-name" label="Name" name="name" value=kept("name", String::new()) error=error_at("name")/>
            <SizePicker
                chosen=kept("size", PRESETS[0].value())
                width=kept("width", PRESETS[0].width.to_string())
                height=kept("height", PRESETS[0].height.to_string())
                size_error=error_at("size")
                width_error=error_at("width")
                height_error=error_at("height")
            />
            <div class="field-narrow">
                <Field
                    id="project-fps"
                    label="Frames per second"
                    name="fps"
                    value=kept("fps", DEFAULT_FPS.to_string())
                    error=error_at("fps")
                    bounds=fps
                    unit="fps"
                />
            </div>
            <div class="form-actions">
                <button class="button button-primary" type="submit" disabled=move || action.pending().get()>
                    "Create project"
                </button>
                {cancel}
            </div>
        </ActionForm>
    }
}
