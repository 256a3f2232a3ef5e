//! The form that creates a project.

use super::{Field, Notice, Number, focus_when_invalid, size_picker::SizePicker};
use crate::drafts::{CUSTOM, DEFAULT_FPS, PRESETS, ProjectDraft};
use crate::{
    browser,
    forms::{FormAction, action},
    serverfns::projects::create_project,
    view::Erase,
};
use leptos::{ev::SubmitEvent, html, prelude::*};
use protocol::project::limits;

const FIELDS: [&str; 5] = ["name", "size", "width", "height", "fps"];

/// Name, size and frame rate. Validated first in the browser, by the function that the server uses.
#[component]
pub fn ProjectForm(
    /// The creation of the project.
    action: FormAction,
    /// The initial size, pixels; none for the first preset.
    size: Option<(u32, u32)>,
    /// A Cancel button beside the submit button.
    #[prop(optional)]
    cancel: Option<AnyView>,
) -> impl IntoView {
    let form = NodeRef::<html::Form>::new();
    let kept = move |field: &str, fallback: String| {
        untrack(|| action.rejection(|error| error.kept(field).map(str::to_owned))).unwrap_or(fallback)
    };
    let error_at = move |field: &'static str| {
        Signal::derive(move || action.rejection(|error| error.at_field(field).map(str::to_owned)))
    };
    let beside = move || action.rejection(|error| error.beside_fields(&FIELDS));
    let submit = move |event: SubmitEvent| {
        let Some(form) = action::submitted(&event) else { return };
        let typed = |name| browser::field(&form, name).unwrap_or_default();
        let [name, size, width, height, fps] = FIELDS.map(typed);
        let draft = ProjectDraft { name, size, width, height, fps };
        match draft.read() {
            Err(problem) => action.reject(problem.into()),
            Ok(_) => {
                let ProjectDraft { name, size, width, height, fps } = draft;
                action.run(async move {
                    let created = create_project(name, size, width, height, fps).await;
                    if let Ok(project) = &created {
                        browser::go(&format!("/projects/{}", project.id));
                    }
                    created
                });
            }
        }
    };
    focus_when_invalid(form, move || action.rejection(|_| Some(())).is_some());
    let (width, height) = size.unwrap_or((PRESETS[0].width, PRESETS[0].height));
    let is_preset = PRESETS.iter().any(|preset| (preset.width, preset.height) == (width, height));
    let field = move |id: &str, label, name: &'static str, value| Field {
        id: id.to_owned(),
        name: name.to_owned(),
        label,
        value: kept(name, value),
        error: error_at(name),
    };
    let fps = Number::new(limits::FPS.start(), limits::FPS.end(), 1);
    view! {
        <form method="post" action=action.address() node_ref=form class="form" novalidate on:submit=submit>
            <Notice message=Signal::derive(beside)/>
            {field("project-name", "Name", "name", String::new()).line()}
            <SizePicker
                chosen=kept("size", if is_preset { format!("{width}x{height}") } else { CUSTOM.to_owned() })
                size_error=error_at("size")
                width=field("project-width", "Width", "width", width.to_string())
                height=field("project-height", "Height", "height", height.to_string())
            />
            <div class="field-narrow">
                {field("project-fps", "Frames per second", "fps", DEFAULT_FPS.to_string()).quantity(fps, "fps")}
            </div>
            <div class="form-actions">
                <button class="button button-primary" type="submit" disabled=action.is_pending()>
                    "Create project"
                </button>
                {cancel}
            </div>
        </form>
    }
    .erase()
}
