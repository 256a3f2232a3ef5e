//! The form that makes a project.

use super::{
    Deed, Field, Notice, deed,
    field::{Bounds, focus_first_invalid},
    size_picker::SizePicker,
};
use crate::{
    browser,
    form::{CUSTOM, DEFAULT_FPS, PRESETS, ProjectDraft},
    serverfns::projects::create_project,
};
use leptos::{ev::SubmitEvent, html, prelude::*};
use protocol::project::limits;

const FIELDS: [&str; 5] = ["name", "size", "width", "height", "fps"];

/// Name, size and frame rate. Read here first, with the function that the server uses; so a slip is told
/// without a request, and a form posted without script is told the same.
#[component]
pub fn ProjectForm(
    /// What it does.
    action: Deed,
    /// The size that is chosen at first, pixels; the first preset where nothing is known.
    size: Option<(u32, u32)>,
    /// Beside the button that makes the project: a way out, where there is one.
    #[prop(optional)]
    cancel: Option<AnyView>,
) -> impl IntoView {
    let form = NodeRef::<html::Form>::new();
    let kept = move |field: &str, fallback: String| {
        untrack(|| action.refusal(|error| error.kept(field).map(str::to_owned))).unwrap_or(fallback)
    };
    let error_at = move |field: &'static str| {
        Signal::derive(move || action.refusal(|error| error.at_field(field).map(str::to_owned)))
    };
    let beside = move || action.refusal(|error| error.beside_fields(&FIELDS));
    let send = move |event: SubmitEvent| {
        let Some(form) = deed::taken(&event) else { return };
        let typed = |name| browser::field(&form, name).unwrap_or_default();
        let [name, size, width, height, fps] = FIELDS.map(typed);
        let draft = ProjectDraft { name, size, width, height, fps };
        match draft.read() {
            Err(problem) => action.refuse(problem.into()),
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
    focus_first_invalid(form, move || action.refusal(|_| Some(())).is_some());
    let (width, height) = size.unwrap_or((PRESETS[0].width, PRESETS[0].height));
    let is_preset = PRESETS.iter().any(|preset| (preset.width, preset.height) == (width, height));
    let fps = Bounds { range: limits::FPS, step: 1 };
    view! {
        <form method="post" action=action.address() node_ref=form class="form" novalidate on:submit=send>
            <Notice message=Signal::derive(beside)/>
            <Field id="project-name" label="Name" name="name" value=kept("name", String::new()) error=error_at("name")/>
            <SizePicker
                chosen=kept("size", if is_preset { format!("{width}x{height}") } else { CUSTOM.to_owned() })
                width=kept("width", width.to_string())
                height=kept("height", height.to_string())
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
                <button class="button button-primary" type="submit" disabled=move || action.pending.get()>
                    "Create project"
                </button>
                {cancel}
            </div>
        </form>
    }
}
