//! The form's fields.

use super::GenerationForm;
use crate::{
    act::Act,
    buttons::button,
    drafts::{CUSTOM, Draft, PRESETS, fields_with_errors},
    error::sentence,
    forms::field::{Field, Notice, Number},
    serverfns::generations::CreateGeneration,
    studio::progress_text::lasting,
    view::{Erase, words},
};
use generation::limits;
use leptos::{ev, prelude::*, server_fn::ServerFn};
use protocol::{PreviewMethod, Sampler, Schedule, url_path};

impl GenerationForm {
    /// The initial fields: the model's and the project's defaults; after a rejected post, what was typed.
    fn initial(self) -> Draft {
        let draft = self
            .store
            .state
            .with_untracked(|state| Draft::new(state.models.first().map(|model| &model.recommended), &state.project));
        match self.error.get_untracked() {
            Some(error) => draft.restored(&error),
            None => draft,
        }
    }

    /// The field of this name, with its text taken from the draft.
    pub(super) fn field(self, draft: &mut Draft, name: &'static str, label: &'static str) -> Field {
        self.field_with(name, label, draft.take(name))
    }

    /// The field of this name with a text.
    pub(super) fn field_with(self, name: &'static str, label: &'static str, value: String) -> Field {
        let error = Signal::derive(move || self.error.with(|error| error.as_ref()?.at_field(name).map(str::to_owned)));
        Field { id: format!("generation-{name}"), name: super::post_name(name), label, value, error }
    }

    /// The panel at the left.
    pub fn view(self) -> AnyView {
        let mut draft = self.initial();
        let draft = &mut draft;
        let submit = move |event: ev::SubmitEvent| {
            event.prevent_default();
            self.submit();
        };
        let keydown = move |event: ev::KeyboardEvent| {
            if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
                event.prevent_default();
                // A held key submits once.
                if !event.repeat() {
                    self.submit();
                }
            }
        };
        let input = move |_| {
            self.follow_model();
            self.changed();
        };
        Effect::new(move |_| {
            if let Some(stored) = self.stored() {
                self.write(&stored);
                self.version.update(|version| *version = version.wrapping_add(1));
            }
            self.use_chosen();
        });
        let message =
            Signal::derive(move || self.error.with(|error| error.as_ref()?.beside_fields(&fields_with_errors())));
        view! {
            <form
                id="generation"
                class="maker"
                method="post"
                action=url_path(CreateGeneration::url())
                novalidate
                aria-label="New picture"
                node_ref=self.element
                on:submit=submit
                on:keydown=keydown
                on:input=input
                on:dragover=move |event| crate::browser::allow_drop(&event)
                on:drop=move |event| self.drop_picture(&event)
            >
                <input type="hidden" name="project_id" value=self.store.project_id().to_string()/>
                <Notice message/>
                {self.branch(draft)}
                {self.field(draft, "prompt", "Prompt").text(4)}
                {self.prompt_foot()}
                {self.warnings("prompt")}
                {self.field(draft, "negative_prompt", "Negative prompt").text(2)}
                {self.warnings("negative_prompt")}
                {self.styles(draft)}
                {self.loras(draft)}
                {self.preset()}
                <div class="maker-three">
                    {self.field(draft, "steps", "Steps").number(Number::within(&limits::STEPS, 1))}
                    {self.field(draft, "cfg_scale", "Guidance").number(Number::within(&limits::CFG_SCALE, "0.5"))}
                    {self.field(draft, "cfg_rescale", "Rescale").number(Number::within(&limits::CFG_RESCALE, "0.05"))}
                </div>
                <div class="maker-pair">
                    {self.field(draft, "sampler", "Sampler").choice(same(Sampler::NAMES))}
                    {self.field(draft, "scheduler", "Schedule").choice(same(Schedule::NAMES))}
                </div>
                {self.seed(draft)}
                {self.size(draft)}
                {self.start(draft)}
                <div class="maker-pair">
                    {self.field(draft, "num_variants", "Takes").number(Number::within(&limits::NUM_VARIANTS, 1))}
                    {self.pause_at(draft)}
                </div>
                {self.field(draft, "preview_method", "Preview").choice(methods())}
                {self.model(draft)}
                {overnight(draft)}
                <div class="maker-foot">
                    <button class="button button-primary maker-go" type="submit" aria-keyshortcuts="Control+Enter">{words(move || self.submit_label())}</button>
                    <p class="maker-time">{words(move || self.time())}</p>
                    {self.steer_button()}
                </div>
            </form>
            {self.styles_panel()}
        }
        .erase()
    }

    /// The estimated duration; empty below one second.
    fn time(self) -> String {
        let ms = self.time_ms.get().filter(|ms| *ms >= 1000);
        ms.map(|ms| format!("About {}", lasting(ms))).unwrap_or_default()
    }

    fn seed(self, draft: &mut Draft) -> AnyView {
        let number = Number { placeholder: Some("Random"), ..Number::new(0, limits::SEED, 1) };
        view! {
            <div class="maker-seed">
                {self.field(draft, "seed", "Seed").number(number)}
                {button("button button-small", Act::RandomSeed, "", "Random")}
                {button("button button-small", Act::LastSeed, "", "Last")}
            </div>
        }
        .erase()
    }

    /// The step at which the takes wait until they are chosen.
    fn pause_at(self, draft: &mut Draft) -> AnyView {
        let number = Number { placeholder: Some("Never"), ..Number::within(&limits::PAUSE_AT, 1) };
        self.field(draft, "pause_at", "Pause at step").number(number)
    }

    fn size(self, draft: &mut Draft) -> AnyView {
        let (width, height) = self.store.state.with_untracked(|state| (state.project.width, state.project.height));
        let mut sizes = vec![(String::new(), format!("Project: {width} × {height}"))];
        sizes.extend(PRESETS.iter().map(|p| (p.value(), format!("{} × {} {}", p.width, p.height, p.shape))));
        sizes.push((CUSTOM.to_owned(), "Custom".to_owned()));
        let side = Number::within(&limits::SIDE_PX, limits::SIDE_STEP_PX);
        view! {
            <div class="maker-size">
                {self.field(draft, "size", "Picture size").choice(sizes)}
                <div class="maker-pair maker-custom">
                    {self.field(draft, "width", "Width").number(side.clone())}
                    {self.field(draft, "height", "Height").number(side)}
                </div>
            </div>
        }
        .erase()
    }

    /// The warnings about a prompt: parts of it that are read as plain words.
    fn warnings(self, field: &'static str) -> AnyView {
        let messages = crate::view::dynamic(move || {
            let warnings = self.tokens.get().map(|count| count.warnings).unwrap_or_default().into_iter();
            let of_field = warnings.filter(|warning| warning.field == field);
            let lines = of_field.map(|warning| view! { <p>{sentence(&warning.message)}</p> }.erase());
            lines.collect::<Vec<_>>().into_any()
        });
        view! { <div class="field-warnings" role="status">{messages}</div> }.erase()
    }
}

/// Whether other pictures go first.
fn overnight(draft: &mut Draft) -> AnyView {
    let is_on = !draft.take("overnight").is_empty();
    view! {
        <label class="check" title="Other pictures go first. One that is forming makes room for them after a step, and goes on afterwards.">
            <input type="checkbox" name="draft[overnight]" value="on" checked=is_on/>
            "Overnight"
        </label>
    }
    .erase()
}

/// Options whose values are their labels.
fn same(names: &[&str]) -> Vec<(String, String)> {
    names.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect()
}

fn methods() -> Vec<(String, String)> {
    let mut methods = vec![(String::new(), "Use default".to_owned())];
    methods
        .extend(PreviewMethod::ALL.iter().map(|method| (method.as_str().to_owned(), method_label(*method).to_owned())));
    methods
}

/// The label of a preview method, here and in the settings.
pub fn method_label(method: PreviewMethod) -> &'static str {
    match method {
        PreviewMethod::Auto => "Automatic",
        PreviewMethod::Latent2Rgb => "Quick, coarse",
        PreviewMethod::Taesd => "Sharp (TAESD)",
        PreviewMethod::None => "None",
    }
}
