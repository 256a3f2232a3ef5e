//! The form from which pictures are made.

mod dropped;
mod fields;
mod model;
mod prompt;
mod start;

use super::{Store, act, draft::Draft};
use crate::{
    browser,
    error::AppError,
    form::{CUSTOM, PRESETS},
    serverfns::generations::{CreateGeneration, create_generation},
    view::{button, dynamic, nothing, words},
};
use fields::Field;
use leptos::{
    ev,
    prelude::*,
    server_fn::{ServerFn, error::ServerFnUrlError},
    task::spawn_local,
    web_sys::Element,
};
use protocol::{
    PreviewMethod, ProjectId, TakeId, TokenCount,
    generation::{SAMPLERS, SCHEDULERS},
    url_path,
};
use start::start_anew;
pub use start::start_from;

const FORM: &str = "#generation";

/// The form's own state: what is wrong with what was sent last.
#[derive(Clone, Copy)]
pub struct Form {
    store: Store,
    error: RwSignal<Option<AppError>>,
    /// The take to start from.
    start: RwSignal<Option<TakeId>>,
    /// The prompt's length, and what in both prompts is read as words.
    tokens: RwSignal<Option<TokenCount>>,
    /// The chosen model's name; empty for the default.
    model: RwSignal<String>,
    /// Prompts that were used, newest first.
    prompts: RwSignal<Vec<String>>,
    /// How long what it asks for will take, milliseconds.
    time_ms: RwSignal<Option<u64>>,
}

impl Form {
    /// The form of a studio; after a refused post without script, with what was typed.
    pub fn new(store: Store) -> Self {
        let posted = use_context::<ServerActionError>()
            .filter(|error| error.path() == CreateGeneration::PATH)
            .map(|error| ServerFnUrlError::<AppError>::decode_err(error.err()));
        let form = Self {
            store,
            error: RwSignal::new(posted),
            start: RwSignal::new(None),
            tokens: RwSignal::new(None),
            model: RwSignal::new(String::new()),
            prompts: RwSignal::new(Vec::new()),
            time_ms: RwSignal::new(None),
        };
        form.follow_prompt();
        Effect::new(move |_| {
            store.form_version.track();
            let start = browser::find("#generation-start").and_then(|field| browser::value(&field));
            let model = browser::find("#generation-model").and_then(|field| browser::value(&field));
            form.model.set(model.unwrap_or_default());
            form.start.set(start.and_then(|id| id.parse().ok()).map(TakeId));
        });
        form
    }

    /// What stands in it when the page is made.
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

    fn error_at(self, field: &'static str) -> Signal<Option<String>> {
        Signal::derive(move || self.error.with(|error| error.as_ref()?.at_field(field).map(str::to_owned)))
    }

    fn field(self, draft: &mut Draft, name: &'static str, label: &'static str) -> Field {
        let value = draft.take(name);
        Field { name, label, value, error: self.error_at(name) }
    }

    /// The panel at the left.
    pub fn view(self) -> AnyView {
        let mut draft = self.initial();
        let draft = &mut draft;
        let project_id = self.store.project_id();
        let submit = move |event: ev::SubmitEvent| {
            if let Some(form) = browser::target(&event) {
                event.prevent_default();
                self.send(Draft { key: browser::random_key(), ..typed(&form) });
            }
        };
        let keydown = move |event: ev::KeyboardEvent| {
            if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
                event.prevent_default();
                // A key that is held down asks once.
                if !event.repeat() {
                    self.send_form();
                }
            }
        };
        let input = move |_| {
            self.follow_model();
            remember(self.store);
        };
        Effect::new(move |_| recall(self.store));
        let beside = self.beside();
        view! {
            <form
                id="generation"
                class="maker"
                method="post"
                action=url_path(CreateGeneration::url())
                novalidate
                aria-label="New picture"
                on:submit=submit
                on:keydown=keydown
                on:input=input
                on:dragover=move |event| browser::allow_drop(&event)
                on:drop=move |event| dropped::dropped(self.store, &event)
            >
                <input type="hidden" name="project_id" value=project_id.to_string()/>
                {beside}
                {self.field(draft, "prompt", "Prompt").text(4)}
                {self.prompt_foot()}
                {self.warnings("prompt")}
                {self.field(draft, "negative_prompt", "Negative prompt").text(2)}
                {self.warnings("negative_prompt")}
                <div class="maker-pair">
                    {self.field(draft, "steps", "Steps").number("1", "1000", "1", "")}
                    {self.field(draft, "cfg_scale", "Guidance").number("1", "30", "0.5", "")}
                </div>
                <div class="maker-pair">
                    {self.field(draft, "sampler", "Sampler").choice(same(&SAMPLERS))}
                    {self.field(draft, "scheduler", "Schedule").choice(same(&SCHEDULERS))}
                </div>
                {self.seed(draft)}
                {self.size(draft)}
                {self.start(draft)}
                <div class="maker-pair">
                    {self.field(draft, "num_variants", "Variants").number("1", "16", "1", "")}
                    {self.field(draft, "preview_method", "Preview").choice(methods())}
                </div>
                {self.model(draft)}
                <div class="maker-foot">
                    <button class="button button-primary maker-go" type="submit" aria-keyshortcuts="Control+Enter">"Generate"</button>
                    <p class="maker-time">{words(move || self.time())}</p>
                </div>
            </form>
        }
        .into_any()
    }

    /// What is told before it is begun: nothing of less than a second.
    fn time(self) -> String {
        let ms = self.time_ms.get().filter(|ms| *ms >= 1000);
        ms.map(|ms| format!("About {}", super::words::lasting(ms))).unwrap_or_default()
    }

    fn beside(self) -> AnyView {
        dynamic(move || match self.error.with(|error| error.as_ref()?.beside_fields(&super::draft::FIELDS)) {
            Some(why) => view! { <p class="notice" role="alert">{crate::error::sentence(&why)}</p> }.into_any(),
            None => nothing(),
        })
    }

    fn seed(self, draft: &mut Draft) -> AnyView {
        view! {
            <div class="maker-seed">
                {self.field(draft, "seed", "Seed").number("0", "9007199254740991", "1", "Random")}
                {button("button button-small", "seed-random", "", "Random")}
                {button("button button-small", "seed-last", "", "Last")}
            </div>
        }
        .into_any()
    }

    fn size(self, draft: &mut Draft) -> AnyView {
        let (width, height) = self.store.state.with_untracked(|state| (state.project.width, state.project.height));
        let mut sizes = vec![(String::new(), format!("Project: {width} × {height}"))];
        sizes.extend(PRESETS.iter().map(|p| (p.value(), format!("{} × {} {}", p.width, p.height, p.shape))));
        sizes.push((CUSTOM.to_owned(), "Custom".to_owned()));
        view! {
            <div class="maker-size">
                {self.field(draft, "size", "Picture size").choice(sizes)}
                <div class="maker-pair maker-custom">
                    {self.field(draft, "width", "Width").number("64", "2048", "8", "")}
                    {self.field(draft, "height", "Height").number("64", "2048", "8", "")}
                </div>
            </div>
        }
        .into_any()
    }

    /// What the form's own buttons, and the examples, do.
    pub fn act(self, act: &str, event: &ev::MouseEvent) -> bool {
        let Some(form) = browser::find(FORM) else { return false };
        match act {
            "example" => {
                let text = browser::target(event).and_then(|button| button.text_content()).unwrap_or_default();
                browser::set_field(&form, "draft[prompt]", &text);
                browser::focus("#generation-prompt");
            }
            "recent" => {
                let place = act::pressed(event).map_or(-1, |(_, place)| place);
                self.use_recent(place);
            }
            "start-anew" => start_anew(self.store),
            "seed-random" => browser::set_field(&form, "draft[seed]", ""),
            "seed-last" => {
                let seed = browser::recall(&last_seed(self.store.project_id())).unwrap_or_default();
                browser::set_field(&form, "draft[seed]", &seed);
            }
            _ => return false,
        }
        remember(self.store);
        true
    }

    fn send_form(self) {
        if let Some(form) = browser::find(FORM) {
            self.send(Draft { key: browser::random_key(), ..typed(&form) });
        }
    }

    /// Sends it; a slip is told without a request.
    fn send(self, draft: Draft) {
        if let Err(problem) = draft.read() {
            self.error.set(Some(problem.into()));
            return focus_first_error();
        }
        self.error.set(None);
        self.note_prompt(&draft.prompt);
        let refused = move |error| {
            self.error.set(Some(error));
            focus_first_error();
        };
        let drafts = if each_line() { draft.lines() } else { vec![draft] };
        self.store.make_each(drafts, refused);
    }
}

impl Store {
    /// Asks for a generation and chooses its frame; a refusal is handed on.
    pub fn make(self, draft: Draft, refused: impl FnOnce(AppError) + 'static) {
        self.make_each(vec![draft], refused);
    }

    /// Asks for several, one after the other, so that their frames stand in this order; chooses the first's. The
    /// first refusal is handed on, and ends it.
    pub fn make_each(self, drafts: Vec<Draft>, refused: impl FnOnce(AppError) + 'static) {
        let project = self.project_id();
        spawn_local(async move {
            for (place, draft) in drafts.into_iter().enumerate() {
                // One form is several requests then, and a key is for one.
                let key = if place == 0 { draft.key.clone() } else { browser::random_key() };
                match create_generation(project, Draft { key, ..draft }).await {
                    Ok((frame, seed)) => {
                        browser::remember(&last_seed(project), &seed.to_string());
                        if place == 0 {
                            self.chosen.try_set(Some(frame));
                        }
                    }
                    Err(error) => return refused(error),
                }
            }
        });
    }
}

/// Under which name the newest picture's seed is kept.
fn last_seed(project: ProjectId) -> String {
    format!("seed-{project}")
}

/// Whether each line of the prompt is a frame.
fn each_line() -> bool {
    browser::find("#generation-lines:checked").is_some()
}

fn focus_first_error() {
    // The errors are marked in the same turn as this runs; the next frame has them.
    request_animation_frame(|| browser::focus("#generation [aria-invalid]"));
}

/// The form as it stands.
fn typed(form: &Element) -> Draft {
    let mut draft = Draft::default();
    for (name, text) in draft.fields_mut() {
        *text = browser::field(form, &format!("draft[{name}]")).unwrap_or_default();
    }
    draft
}

/// Keeps the form as it stands, by project.
pub fn remember(store: Store) {
    if let Some(form) = browser::find(FORM) {
        browser::remember(&format!("form-{}", store.project_id()), &typed(&form).to_text());
    }
    store.form_version.update(|version| *version = version.wrapping_add(1));
}

fn recall(store: Store) {
    let kept = browser::recall(&format!("form-{}", store.project_id()));
    if let (Some(text), Some(form)) = (kept, browser::find(FORM)) {
        fill(&form, &Draft::from_text(&text));
        store.form_version.update(|version| *version = version.wrapping_add(1));
    }
}

/// Writes a draft into the form.
pub fn fill(form: &Element, draft: &Draft) {
    for (name, text) in draft.fields() {
        browser::set_field(form, &format!("draft[{name}]"), &text);
    }
}

fn same(names: &[&str]) -> Vec<(String, String)> {
    names.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect()
}

fn methods() -> Vec<(String, String)> {
    let mut methods = vec![(String::new(), "As set".to_owned())];
    let label = |method| match method {
        PreviewMethod::Auto => "Automatic",
        PreviewMethod::Latent2Rgb => "Quick, coarse",
        PreviewMethod::Taesd => "Sharp (TAESD)",
        PreviewMethod::None => "None",
    };
    methods.extend(PreviewMethod::ALL.map(|method| (method.as_str().to_owned(), label(method).to_owned())));
    methods
}
