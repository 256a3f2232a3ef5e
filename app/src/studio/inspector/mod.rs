//! The inspector: the current frame's duration, takes, parameters and note.

mod takes;
mod tree;

use super::{Store, timeline::Timeline};
use crate::act::Act;
use crate::drafts::Draft;
use crate::{
    browser,
    buttons::{button, icon_button},
    icons::Icon,
    serverfns::{frames::update_frame, takes::list_takes},
    studio::GenerationForm,
    view::{Erase, dynamic, list, nothing, subscribe, words},
};
use generation::Lora;
use leptos::{ev, prelude::*, task::spawn_local};
use protocol::{Frame, FrameId, Parameters, Take, TakeId, TaskStatus, frame::limits::DURATION};
use timeline::{Edit, TakeOfClip};

/// The inspector's state: the finished takes of the current frame, and how often they were read.
#[derive(Clone, Copy)]
pub struct Inspector {
    store: Store,
    form: GenerationForm,
    takes: RwSignal<Vec<Take>>,
    reads: RwSignal<u32>,
}

/// Strength of a variation: the part of the picture that is generated again.
const VARY_STRENGTH: &str = "0.35";

impl Inspector {
    /// An inspector that reads the takes again whenever the current frame, one of its takes, or the number of its open tasks
    /// changes.
    pub fn new(store: Store, form: GenerationForm) -> Self {
        let inspector = Self { store, form, takes: RwSignal::new(Vec::new()), reads: RwSignal::new(0) };
        let frame = Memo::new(move |_| {
            let (id, selected) =
                store.current.with(|frame| frame.as_ref().map(|frame| (frame.id, frame.selected_take_id)))?;
            Some((id, (selected, store.state.with(|state| state.changes_of(id)))))
        });
        let open = Memo::new(move |_| {
            let of_frame = |(id, _)| store.state.with(|state| state.tasks.iter().filter(|t| t.frame_id == id).count());
            frame.get().map_or(0, of_frame)
        });
        let id = Memo::new(move |_| frame.get().map(|(id, _)| id));
        Effect::new(move |_| {
            subscribe(id);
            store.compared.set(None);
        });
        Effect::new(move |before: Option<(_, usize)>| {
            let now = (frame.get(), open.get());
            // A new open task adds no finished take.
            if before.is_none_or(|before| before.0 != now.0 || now.1 < before.1) {
                match now.0 {
                    Some((id, _)) => inspector.read(id),
                    None => inspector.takes.set(Vec::new()),
                }
            }
            now
        });
        inspector
    }

    fn read(self, id: FrameId) {
        spawn_local(async move {
            // The connection status shows that the server is gone.
            let Ok(takes) = list_takes(id).await.and_then(|takes| takes.open()) else { return };
            let still =
                self.store.current.try_with_untracked(|frame| frame.as_ref().is_some_and(|frame| frame.id == id));
            if still == Some(true) {
                let finished = takes.into_iter().filter(|take| take.status == TaskStatus::Completed);
                self.takes.try_set(finished.collect());
                self.reads.try_update(|reads| *reads = reads.wrapping_add(1));
                self.end_comparison();
            }
        });
    }

    /// The number of finished takes.
    pub fn finished(self) -> usize {
        self.takes.with(Vec::len)
    }

    /// Reads the finished takes.
    pub fn with_finished<T>(self, read: impl FnOnce(&[Take]) -> T) -> T {
        self.takes.with(|takes| read(takes))
    }

    /// How often the finished takes were read.
    pub fn reads(self) -> u32 {
        self.reads.get()
    }

    /// The selected take.
    fn selected(self) -> Option<Take> {
        self.takes.with(|takes| takes.iter().find(|take| take.selected).cloned())
    }

    /// The take with this id.
    fn take(self, id: TakeId) -> Option<Take> {
        self.takes.with_untracked(|takes| takes.iter().find(|take| take.id == id).cloned())
    }

    /// Selects a take: the inspector shows it at once. Returns the edit, which is not sent yet; none if it is selected already.
    pub fn select(self, id: TakeId) -> Option<Edit> {
        let take = self.take(id).filter(|take| !take.selected)?;
        let before = self.takes.with_untracked(|takes| takes.iter().find(|take| take.selected).map(|take| take.id));
        self.swap_comparison(id);
        self.takes.update(|takes| takes.iter_mut().for_each(|take| take.selected = take.id == id));
        // Without a selected take there is nothing to go back to.
        Some(Edit::SelectTake { id: take.frame_id.0, from: before.unwrap_or(id).0, to: id.0 })
    }

    /// The edit that deletes a take.
    pub fn delete(self, id: TakeId) -> Option<Edit> {
        let take = self.take(id)?;
        Some(Edit::DeleteTake(TakeOfClip { clip: take.frame_id.0, take: id.0, is_selected: take.selected }))
    }

    /// Compares the selected take with the newest other one, or ends the comparison.
    pub fn toggle_comparison(self) {
        let other = || self.takes.with_untracked(|takes| takes.iter().find(|take| !take.selected).cloned());
        let now = if self.store.compared.with_untracked(Option::is_some) { None } else { other() };
        self.store.compared.set(now);
    }

    /// Ends the comparison if the compared take was deleted or selected.
    fn end_comparison(self) {
        let Some(Some(id)) = self.store.compared.try_with_untracked(|take| take.as_ref().map(|take| take.id)) else {
            return;
        };
        let is_other = |take: &Take| take.id == id && !take.selected;
        if self.takes.try_with_untracked(|takes| takes.iter().any(is_other)) == Some(false) {
            self.store.compared.set(None);
        }
    }

    /// If the compared take becomes the selected one, the selected one becomes the compared one.
    fn swap_comparison(self, selected: TakeId) {
        if self.store.compared.with_untracked(|take| take.as_ref().is_some_and(|take| take.id == selected)) {
            self.store
                .compared
                .set(self.takes.with_untracked(|takes| takes.iter().find(|take| take.selected).cloned()));
        }
    }

    /// Fills the form with the parameters and the seed of a take.
    pub fn use_settings(self, id: TakeId) {
        if let Some(take) = self.take(id) {
            spawn_local(async move {
                let draft = self.form.unstyled(Draft::of(&take.parameters, Some(take.seed))).await;
                self.form.fill(&draft);
                self.form.focus_prompt();
            });
        }
    }

    /// Generates another take with the parameters of this one and a new seed.
    pub fn new_take(self, id: TakeId) {
        if let Some(take) = self.take(id) {
            self.generate(&take, Draft::of(&take.parameters, None));
        }
    }

    /// Generates a variation that starts from this take.
    pub fn vary(self, id: TakeId) {
        if let Some(take) = self.take(id) {
            let (init_take_id, strength) = (id.to_string(), VARY_STRENGTH.to_owned());
            self.generate(&take, Draft { init_take_id, strength, ..Draft::of(&take.parameters, None) });
        }
    }

    /// Generates into the frame of a take.
    fn generate(self, take: &Take, draft: Draft) {
        let store = self.store;
        let draft = Draft { frame_id: take.frame_id.to_string(), ..draft };
        spawn_local(async move {
            let draft = self.form.unstyled(draft).await;
            store.generate(vec![draft], move |error| store.refuse(error));
        });
    }

    /// The panel at the right. It is rendered once and updated from frame to frame.
    pub fn view(self, timeline: Timeline) -> AnyView {
        let any = Memo::new(move |_| self.store.current.with(Option::is_some));
        view! {
            <aside class="inspector" aria-label="Frame" on:focusin=move |_| self.store.pin()>
                {dynamic(move || if any.get() { self.frame(timeline) } else { nothing() })}
            </aside>
        }
        .erase()
    }

    fn frame(self, timeline: Timeline) -> AnyView {
        let store = self.store;
        let take = Memo::new(move |_| self.selected());
        let of = move |read: fn(&Frame) -> String| {
            words(move || store.current.with(|frame| frame.as_ref().map(read).unwrap_or_default()))
        };
        let ids = Memo::new(move |_| store.current.with(|frame| frame.iter().map(|frame| frame.id.0).collect()));
        view! {
            <div class="inspector-head" data-id=of(|frame| frame.id.to_string())>
                <h2 class="inspector-title">"Frame "{of(|frame| (frame.position + 1).to_string())}</h2>
                {icon_button(Act::MoveEarlier, "", "Move left", Icon::Before)}
                {icon_button(Act::MoveLater, "", "Move right", Icon::After)}
                {icon_button(Act::DuplicateFrame, "", "Duplicate frame", Icon::Copy)}
                {icon_button(Act::DeleteFrame, "", "Delete frame", Icon::Delete)}
            </div>
            <dl class="facts-list">
                <dt>"Size"</dt><dd>{of(|frame| format!("{} × {}", frame.width, frame.height))}</dd>
                <dt>"Duration"</dt>
                <dd>{self.duration(timeline, of(|frame| frame.duration.to_string()))}</dd>
            </dl>
            {self.takes_list()}
            {dynamic(move || take.with(|take| take.as_ref().map_or_else(nothing, |take| self.parameters(take))))}
            {list(ids.into(), move |id| self.note(FrameId(id)))}
        }
        .erase()
    }

    fn duration(self, timeline: Timeline, value: Signal<String>) -> AnyView {
        let change = move |event: ev::Event| {
            let Some(field) = browser::target(&event) else { return };
            let typed = browser::value(&field).and_then(|text| text.trim().parse::<u32>().ok());
            let Some((id, now)) =
                self.store.current.with_untracked(|frame| frame.as_ref().map(|frame| (frame.id, frame.duration)))
            else {
                return;
            };
            match typed {
                Some(frames) => timeline.stretch(id, now, frames.clamp(*DURATION.start(), *DURATION.end())),
                // Not a number: restores the old value.
                None => browser::set_value(&field, &now.to_string()),
            }
        };
        view! {
            <input class="small-number" type="number" min=DURATION.start().to_string() max=DURATION.end().to_string() aria-label="Duration in frames" prop:value=value value=value on:change=change/>
            " frames"
        }
        .erase()
    }

    /// The note of one frame. It is saved when the field loses the focus, and when the field is removed from the page with
    /// unsaved text: the browser fires no `change` then.
    fn note(self, id: FrameId) -> AnyView {
        let store = self.store;
        let value =
            store.state.with_untracked(|state| state.frame(id).map(|frame| frame.note.clone()).unwrap_or_default());
        let unsaved = StoredValue::new(None::<String>);
        let save = move || {
            if let Some(note) = unsaved.try_update_value(Option::take).flatten() {
                store.run(update_frame(id, None, None, None, Some(note)));
            }
        };
        on_cleanup(save);
        view! {
            <div class="field inspector-note">
                <label for="note">"Note"</label>
                <textarea id="note" rows="2" on:input=move |event| unsaved.set_value(typed(&event)) on:change=move |_| save()>
                    {crate::view::in_textarea(&value)}
                </textarea>
            </div>
        }
        .erase()
    }

    /// An imported picture has no known parameters.
    fn imported(self, take: &Take) -> AnyView {
        let id = take.id;
        view! {
            <section class="parameters" aria-label="Parameters">
                <p class="flyout-text">"Imported or blank."</p>
                <div class="inspector-acts">
                    {button("button button-small", Act::StartFrom, id, "Use as starting picture")}
                    <a class="button button-small" href=take.path.clone() download="" rel="external">"Download"</a>
                    {button("button button-small", Act::DeleteTake, id, "Delete take")}
                </div>
            </section>
        }
        .erase()
    }

    fn parameters(self, take: &Take) -> AnyView {
        if take.parameters.is_imported() {
            return self.imported(take);
        }
        let Take { id, parameters, seed, finished_step, path, .. } = take.clone();
        let Parameters {
            prompt,
            negative_prompt,
            steps,
            cfg_scale,
            cfg_rescale,
            sampler,
            scheduler,
            loras,
            model,
            styles,
            ..
        } = parameters;
        let steps = match finished_step.filter(|step| *step < steps) {
            Some(step) => format!("{step} of {steps}, kept"),
            None => steps.to_string(),
        };
        let mut facts = vec![("Steps", steps), ("Guidance", cfg_scale.to_string())];
        if cfg_rescale > 0.0 {
            facts.push(("Rescale", cfg_rescale.to_string()));
        }
        facts.extend([
            ("Sampler", sampler.to_string()),
            ("Schedule", scheduler.to_string()),
            ("Seed", seed.to_string()),
            ("Model", model),
        ]);
        if !styles.is_empty() {
            facts.push(("Styles", styles.join(", ")));
        }
        let facts = facts.into_iter().map(|(name, value)| view! { <dt>{name}</dt><dd>{value}</dd> }.erase());
        let facts: Vec<AnyView> = facts.chain(loras.iter().map(lora)).collect();
        let origin = self.takes.with_untracked(|takes| tree::origin(takes, take));
        let origin = origin.map(|origin| view! { <p class="branch-origin">{origin}</p> }.erase());
        let negative = (!negative_prompt.is_empty())
            .then(|| view! { <p class="prompt prompt-negative">{negative_prompt}</p> }.erase());
        view! {
            <section class="parameters" aria-label="Parameters">
                {origin}
                <p class="prompt" dir="auto">{prompt}</p>
                {negative}
                <dl class="facts-list">{facts}</dl>
                <div class="inspector-acts">
                    {button("button button-small", Act::NewTake, id, "New take")}
                    {button("button button-small", Act::VaryTake, id, "Vary")}
                    {button("button button-small", Act::UseSettings, id, "Use these settings")}
                    {button("button button-small", Act::StartFrom, id, "Use as starting picture")}
                    <a class="button button-small" href=path download="" rel="external">"Download"</a>
                    {button("button button-small", Act::DeleteTake, id, "Delete take")}
                </div>
            </section>
        }
        .erase()
    }
}

/// A LoRA file of a take: its name, its weights, and the hash of the file that was used.
fn lora(lora: &Lora) -> AnyView {
    let weights = match lora.text_weight.filter(|weight| *weight != lora.unet_weight) {
        Some(text) => format!("{}, text encoders {text}", lora.unet_weight),
        None => lora.unet_weight.to_string(),
    };
    let hash = lora.hash.as_ref().map(|hash| view! { <span class="hash" title="AutoV3">{hash.clone()}</span> }.erase());
    view! { <dt>"LoRA"</dt><dd><bdi>{lora.name.clone()}</bdi>": "{weights}{hash}</dd> }.erase()
}

fn typed(event: &ev::Event) -> Option<String> {
    browser::value(&browser::target(event)?)
}
