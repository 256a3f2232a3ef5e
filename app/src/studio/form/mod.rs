//! The form that generates pictures: a handle to its element and its state.

mod branch;
mod dropped;
mod loaded;
mod loras;
mod model;
mod preset;
mod prompt;
mod start;
mod steer;
mod styles;
pub mod view;

use crate::forms::{focus_first_invalid, posted_error};
use crate::{
    browser,
    drafts::Draft,
    error::AppError,
    query,
    serverfns::generations::{CreateGeneration, create_generation},
    studio::{Store, cells::OpenWall},
};
use leptos::{ev, html, prelude::*, server_fn::ServerFn, task::spawn_local};
use protocol::{ProjectId, TakeId, TokenCount};

/// The form's handle. [`GenerationForm::draft`] reads its fields, [`GenerationForm::edit`] changes them.
#[derive(Clone, Copy)]
pub struct GenerationForm {
    store: Store,
    element: NodeRef<html::Form>,
    /// The error of the last submission.
    error: RwSignal<Option<AppError>>,
    /// The initial image.
    init_take: RwSignal<Option<TakeId>>,
    /// The take that it branches from, and the number of steps that it shares with it.
    branch: RwSignal<Option<(TakeId, u32)>>,
    /// The length of the prompt, and warnings about both prompts.
    tokens: RwSignal<Option<TokenCount>>,
    /// Name of the chosen model; empty for the default.
    model: RwSignal<String>,
    /// The LoRA files.
    loras: loras::LoraChips,
    /// The styles.
    styles: styles::Styles,
    /// The fields that settings of distilled files set.
    settings: RwSignal<preset::Settings>,
    /// Settings of a distilled file that a click has set.
    applied: RwSignal<Option<preset::Applied>>,
    /// Recent prompts, newest first.
    prompts: RwSignal<Vec<String>>,
    /// Estimated duration of the generation, milliseconds.
    time_ms: RwSignal<Option<u64>>,
    /// Counts the changes of the fields.
    version: RwSignal<u32>,
}

impl GenerationForm {
    /// The form of a studio. After a rejected post without script it has the error.
    pub fn new(store: Store) -> Self {
        let form = Self {
            store,
            element: NodeRef::new(),
            error: RwSignal::new(posted_error(CreateGeneration::PATH)),
            init_take: RwSignal::new(None),
            branch: RwSignal::new(None),
            tokens: RwSignal::new(None),
            model: RwSignal::new(String::new()),
            loras: loras::LoraChips::new(store),
            styles: styles::Styles::new(),
            settings: RwSignal::new(preset::Settings::default()),
            applied: RwSignal::new(None),
            prompts: RwSignal::new(Vec::new()),
            time_ms: RwSignal::new(None),
            version: RwSignal::new(0),
        };
        form.watch_prompt();
        form.watch_loras();
        form.watch_models();
        Effect::new(move |_| {
            form.version.track();
            let draft = form.draft().unwrap_or_default();
            form.init_take.set(draft.init_take_id.parse().ok().map(TakeId));
            form.show_branch(&draft);
            form.loras.show(&draft.loras, &draft.prompt);
            form.styles.show(draft.style_names());
            form.settings.set(preset::of_draft(&draft));
            form.model.set(draft.model);
        });
        form
    }

    /// The fields as typed; none while the form is not in the page.
    pub fn draft(self) -> Option<Draft> {
        let form = self.element.get_untracked()?;
        let mut draft = Draft::default();
        for (name, text) in draft.fields_mut() {
            *text = browser::field_value(&form, &post_name(name)).unwrap_or_default();
        }
        Some(draft)
    }

    /// Changes fields.
    pub fn edit(self, change: impl FnOnce(&mut Draft)) {
        if let Some(mut draft) = self.draft() {
            change(&mut draft);
            self.fill(&draft);
        }
    }

    /// Writes all fields, as if they had been typed.
    pub fn fill(self, draft: &Draft) {
        self.write(draft);
        self.changed();
    }

    fn write(self, draft: &Draft) {
        let Some(form) = self.element.get_untracked() else { return };
        for (name, text) in draft.fields() {
            browser::set_field(&form, &post_name(name), &text);
        }
    }

    /// Takes over what a link of the library chose: `?model=`, `?lora=`, or `?word=` for an embedding. It is removed from
    /// the address, so that a reload does not choose it again.
    fn use_chosen(self) {
        let [model, lora, word] = ["model", "lora", "word"].map(query::value);
        if model.is_none() && lora.is_none() && word.is_none() {
            return;
        }
        if let (Some(model), Some(mut draft)) = (model, self.draft()) {
            draft.model = model;
            self.write(&draft);
            self.follow_model();
            self.changed();
        }
        if let Some(lora) = lora {
            self.add_lora(&lora);
        }
        if let Some(word) = word {
            self.edit(|draft| draft.prompt = loras::edit::with_words(&draft.prompt, &[word]));
        }
        browser::show_address(&format!("/projects/{}", self.store.project_id()));
    }

    /// Stores the fields in the browser and updates what depends on them.
    fn changed(self) {
        if let Some(draft) = self.draft() {
            browser::remember(&self.storage_key(), &draft.to_text());
        }
        self.version.update(|version| *version = version.wrapping_add(1));
    }

    /// The fields as the browser stored them.
    fn stored(self) -> Option<Draft> {
        browser::recall(&self.storage_key()).map(|text| Draft::from_text(&text))
    }

    fn storage_key(self) -> String {
        format!("form-{}", self.store.project_id())
    }

    /// Moves the focus to the prompt.
    pub fn focus_prompt(self) {
        browser::focus("#generation-prompt");
    }

    /// Puts the text of an example's button into the prompt.
    pub fn use_example(self, event: &ev::MouseEvent) {
        let text = browser::target(event).and_then(|button| button.text_content()).unwrap_or_default();
        self.edit(|draft| draft.prompt = text);
        self.focus_prompt();
    }

    /// Empties the seed: the server draws one.
    pub fn random_seed(self) {
        self.edit(|draft| draft.seed.clear());
    }

    /// Sets the seed to that of the last generation.
    pub fn last_seed(self) {
        let seed = browser::recall(&last_seed_key(self.store.project_id())).unwrap_or_default();
        self.edit(|draft| draft.seed = seed);
    }

    /// Submits the form. A draft with errors is rejected without a request.
    fn submit(self) {
        let Some(draft) = self.draft() else { return };
        let rejected = move |error| {
            self.error.set(Some(error));
            focus_first_invalid(self.element);
        };
        if let Err(problem) = draft.read() {
            return rejected(problem.into());
        }
        self.error.set(None);
        self.remember_prompt(&draft.prompt);
        let drafts = if is_line_per_frame() { draft.lines() } else { vec![draft] };
        self.store.generate(drafts, rejected);
    }
}

impl Store {
    /// Requests generations one after the other, so that their frames are in this order, and selects the first one's
    /// frame. Stops at the first error and passes it on.
    pub fn generate(self, drafts: Vec<Draft>, rejected: impl FnOnce(AppError) + 'static) {
        let project = self.project_id();
        spawn_local(async move {
            for (index, draft) in drafts.into_iter().enumerate() {
                let has_several = draft.num_variants.trim().parse::<u32>().is_ok_and(|count| count > 1);
                // An idempotency key for each request.
                let key = browser::random_key();
                match create_generation(project, Draft { key, ..draft }).await {
                    Ok((frame, seed)) => {
                        browser::remember(&last_seed_key(project), &seed.to_string());
                        if index == 0 {
                            self.chosen.try_set(Some(frame));
                            if has_several {
                                self.wall.try_set(Some(OpenWall::of(frame)));
                            }
                        }
                    }
                    Err(error) => return rejected(error),
                }
            }
        });
    }
}

/// The name under which a field of the draft is posted.
fn post_name(field: &str) -> String {
    format!("draft[{field}]")
}

/// Storage key of the last generation's seed.
fn last_seed_key(project: ProjectId) -> String {
    format!("seed-{project}")
}

/// Whether each line of the prompt is a frame.
fn is_line_per_frame() -> bool {
    browser::find("#generation-lines:checked").is_some()
}
