//! The frame's panel: its length and place, its takes, and what they are made from.

use super::{Store, draft::Draft, form};
use crate::{
    browser,
    components::Icon,
    serverfns::frames::{frame_takes, update_frame},
    view::{button, dynamic, icon_button, list, nothing, words},
};
use leptos::{ev, prelude::*, task::spawn_local};
use protocol::{Frame, FrameId, Parameters, Take, TakeId, TaskStatus};

/// The panel's state: the takes of the current frame, and the one that is looked at.
#[derive(Clone, Copy)]
pub struct Inspector {
    store: Store,
    takes: RwSignal<Vec<Take>>,
    looked_at: RwSignal<Option<TakeId>>,
}

/// How much of a take is redone when it is varied.
const VARY_STRENGTH: &str = "0.35";

impl Inspector {
    /// Reads the takes whenever the current frame is another, or shows another.
    pub fn new(store: Store) -> Self {
        let inspector = Self { store, takes: RwSignal::new(Vec::new()), looked_at: RwSignal::new(None) };
        let version = Memo::new(move |_| {
            store.current.with(|frame| {
                let frame = frame.as_ref()?;
                let open =
                    store.state.with(|state| state.tasks.iter().filter(|task| task.frame_id == frame.id).count());
                Some((frame.id, frame.take_id, frame.status, frame.selected_take_id, open))
            })
        });
        let id = Memo::new(move |_| version.with(|version| version.as_ref().map(|(id, ..)| *id)));
        Effect::new(move |_| {
            id.track();
            store.compared.set(None);
        });
        Effect::new(move |_| {
            if let Some((id, ..)) = version.get() {
                inspector.read(id);
            } else {
                inspector.takes.set(Vec::new());
            }
        });
        inspector
    }

    fn read(self, id: FrameId) {
        spawn_local(async move {
            // A server that is gone is told by the connection.
            let Ok(takes) = frame_takes(id).await.and_then(|takes| takes.open()) else { return };
            let still =
                self.store.current.try_with_untracked(|frame| frame.as_ref().is_some_and(|frame| frame.id == id));
            if still == Some(true) {
                let finished = takes.into_iter().filter(|take| take.status == TaskStatus::Completed);
                self.takes.try_set(finished.collect());
            }
        });
    }

    /// The take that is looked at, else the selected one.
    fn take(self) -> Option<Take> {
        let looked_at = self.looked_at.get();
        self.takes.with(|takes| {
            let found = takes.iter().find(|take| Some(take.id) == looked_at);
            found.or_else(|| takes.iter().find(|take| take.selected)).cloned()
        })
    }

    /// What its buttons do.
    pub fn act(self, act: &str, id: i64) -> bool {
        let take = self.takes.with_untracked(|takes| takes.iter().find(|take| take.id.0 == id).cloned());
        match (act, take) {
            ("compare", _) => self.compare(),
            ("take", Some(take)) => {
                self.looked_at.set(Some(take.id));
                if !take.selected {
                    self.turn_over(take.id);
                    self.store.run(update_frame(take.frame_id, None, None, Some(take.id), None));
                }
            }
            ("use-settings", Some(take)) => self.fill(&take),
            ("start-from", Some(take)) => form::start_from(self.store, take.id),
            ("new-take", Some(take)) => self.again(&take, Draft::of(&take.parameters, None)),
            ("vary", Some(take)) => {
                let draft = Draft::of(&take.parameters, None);
                let (init_take_id, strength) = (take.id.to_string(), VARY_STRENGTH.to_owned());
                self.again(&take, Draft { init_take_id, strength, ..draft });
            }
            _ => return false,
        }
        true
    }

    /// Lays the newest take that is not shown beside the one that is; or ends it.
    fn compare(self) {
        let other = || self.takes.with_untracked(|takes| takes.iter().find(|take| !take.selected).cloned());
        let now = if self.store.compared.with_untracked(Option::is_some) { None } else { other() };
        self.store.compared.set(now);
    }

    /// The compared take is to be shown: the one that was shown is compared with it.
    fn turn_over(self, shown: TakeId) {
        if self.store.compared.with_untracked(|take| take.as_ref().is_some_and(|take| take.id == shown)) {
            self.store
                .compared
                .set(self.takes.with_untracked(|takes| takes.iter().find(|take| take.selected).cloned()));
        }
    }

    fn fill(self, take: &Take) {
        if let Some(element) = browser::find("#generation") {
            form::fill(&element, &Draft::of(&take.parameters, Some(take.seed)));
            form::remember(self.store);
            browser::focus("#generation-prompt");
        }
    }

    fn again(self, take: &Take, draft: Draft) {
        let (frame_id, key) = (take.frame_id.to_string(), browser::random_key());
        let store = self.store;
        store.make(Draft { frame_id, key, ..draft }, move |error| store.refuse(error));
    }

    /// The panel at the right.
    pub fn view(self) -> AnyView {
        let store = self.store;
        let id = Memo::new(move |_| store.current.with(|frame| frame.as_ref().map(|frame| frame.id)));
        view! {
            <aside class="inspector" aria-label="Frame">
                {dynamic(move || match id.get() {
                    Some(id) => self.frame(id),
                    None => nothing(),
                })}
            </aside>
        }
        .into_any()
    }

    fn frame(self, id: FrameId) -> AnyView {
        let store = self.store;
        let take = Memo::new(move |_| self.take());
        let of = move |read: fn(&Frame) -> String| {
            words(move || store.current.with(|frame| frame.as_ref().map(read).unwrap_or_default()))
        };
        view! {
            <div class="inspector-head">
                <h2 class="inspector-title">"Frame "{of(|frame| (frame.position + 1).to_string())}</h2>
                {icon_button("earlier", id, "Earlier", Icon::Before)}
                {icon_button("later", id, "Later", Icon::After)}
                {icon_button("duplicate-frame", id, "Duplicate frame", Icon::Copy)}
                {icon_button("delete-frame", id, "Delete frame", Icon::Delete)}
            </div>
            <dl class="facts-list">
                <dt>"Size"</dt><dd>{of(|frame| format!("{} × {}", frame.width, frame.height))}</dd>
                <dt>"Stands for"</dt>
                <dd>{self.duration(id)}</dd>
            </dl>
            {self.takes_list()}
            {dynamic(move || take.with(|take| take.as_ref().map_or_else(nothing, |take| self.parameters(take))))}
            {self.note(id)}
        }
        .into_any()
    }

    fn duration(self, id: FrameId) -> AnyView {
        let store = self.store;
        let value =
            words(move || store.current.with(|frame| frame.as_ref().map_or(1, |frame| frame.duration)).to_string());
        let change = move |event: ev::Event| {
            let typed = typed(&event).and_then(|text| text.trim().parse().ok()).unwrap_or(1_u32).clamp(1, 10_000);
            store.run(update_frame(id, None, Some(typed), None, None));
        };
        view! {
            <input class="small-number" type="number" min="1" max="10000" aria-label="Duration in frames" prop:value=value value=value on:change=change/>
            " frames"
        }
        .into_any()
    }

    fn note(self, id: FrameId) -> AnyView {
        let store = self.store;
        let value =
            store.current.with_untracked(|frame| frame.as_ref().map(|frame| frame.note.clone()).unwrap_or_default());
        let change = move |event: ev::Event| {
            if let Some(note) = typed(&event) {
                store.run(update_frame(id, None, None, None, Some(note)));
            }
        };
        view! {
            <div class="field inspector-note">
                <label for="note">"Note"</label>
                <textarea id="note" rows="2" on:change=change>{crate::view::in_textarea(&value)}</textarea>
            </div>
        }
        .into_any()
    }

    /// The takes of the frame, newest first. Those that stay are kept when one is added: after five hundred
    /// generations of one frame, making all anew each time had grown the page by 30 MB.
    fn takes_list(self) -> AnyView {
        let compared = self.store.compared;
        let shown = Memo::new(move |_| {
            let beside = compared.with(|take| take.as_ref().map(|take| take.id));
            self.takes.with(|takes| ShownTake::all(takes, beside))
        });
        let ids = Memo::new(move |_| shown.with(|takes| takes.iter().map(|take| take.id).collect::<Vec<_>>()));
        let count = Memo::new(move |_| ids.with(Vec::len));
        let (any, several) = (Memo::new(move |_| count.get() > 0), Memo::new(move |_| count.get() > 1));
        let compare = move || {
            if !several.get() {
                return nothing();
            }
            view! {
                <button class="icon-button toggle" type="button" data-act="compare" aria-label="Compare two takes" title="Compare two takes" aria-pressed=words(move || compared.with(Option::is_some).to_string())>
                    {Icon::Compare.view()}
                </button>
            }
            .into_any()
        };
        dynamic(move || {
            if !any.get() {
                return nothing();
            }
            view! {
                <section class="takes" aria-label="Takes">
                    <div class="takes-head">
                        <h3 class="inspector-sub">"Takes"</h3>
                        {dynamic(compare)}
                    </div>
                    <ul class="takes-list">{list(ids.into(), move |id| take(id, shown))}</ul>
                </section>
            }
            .into_any()
        })
    }

    /// A picture that was brought here: nothing is known of how it was made.
    fn imported(self, take: &Take) -> AnyView {
        let id = take.id;
        view! {
            <section class="parameters" aria-label="Parameters">
                <p class="flyout-text">"Added from elsewhere."</p>
                <div class="inspector-acts">
                    {button("button button-small", "start-from", id, "Start from it")}
                    <a class="button button-small" href=take.path.clone() download="" rel="external">"Download"</a>
                    {button("button button-small", "delete-take", id, "Delete take")}
                </div>
            </section>
        }
        .into_any()
    }

    fn parameters(self, take: &Take) -> AnyView {
        if take.parameters.is_imported() {
            return self.imported(take);
        }
        let Take { id, parameters, seed, finished_step, path, .. } = take.clone();
        let Parameters { prompt, negative_prompt, steps, cfg_scale, sampler, scheduler, model, .. } = parameters;
        let steps = match finished_step.filter(|step| *step < steps) {
            Some(step) => format!("{step} of {steps}, kept"),
            None => steps.to_string(),
        };
        let facts = [
            ("Steps", steps),
            ("Guidance", cfg_scale.to_string()),
            ("Sampler", sampler),
            ("Schedule", scheduler),
            ("Seed", seed.to_string()),
            ("Model", model),
        ];
        let facts: Vec<AnyView> =
            facts.into_iter().map(|(name, value)| view! { <dt>{name}</dt><dd>{value}</dd> }.into_any()).collect();
        let negative = (!negative_prompt.is_empty())
            .then(|| view! { <p class="prompt prompt-negative">{negative_prompt}</p> }.into_any());
        view! {
            <section class="parameters" aria-label="Parameters">
                <p class="prompt" dir="auto">{prompt}</p>
                {negative}
                <dl class="facts-list">{facts}</dl>
                <div class="inspector-acts">
                    {button("button button-small", "new-take", id, "New take")}
                    {button("button button-small", "vary", id, "Vary")}
                    {button("button button-small", "use-settings", id, "Use these settings")}
                    {button("button button-small", "start-from", id, "Start from it")}
                    <a class="button button-small" href=path download="" rel="external">"Download"</a>
                    {button("button button-small", "delete-take", id, "Delete take")}
                </div>
            </section>
        }
        .into_any()
    }
}

/// What a take in the list shows. As with the clips of the timeline, one reading serves all.
#[derive(Clone, Debug, Default, PartialEq)]
struct ShownTake {
    id: i64,
    label: String,
    address: String,
    /// The picture's own width and height.
    sides: (u32, u32),
    selected: bool,
    /// Whether it is laid beside the selected one.
    beside: bool,
}

impl ShownTake {
    fn all(takes: &[Take], beside: Option<TakeId>) -> Vec<Self> {
        let count = takes.len();
        let one = |(place, take): (usize, &Take)| Self {
            id: take.id.0,
            label: format!("Take {} of {count}", count - place),
            address: super::address::of_take(take),
            sides: (take.width, take.height),
            selected: take.selected,
            beside: beside == Some(take.id),
        };
        takes.iter().enumerate().map(one).collect()
    }

    fn class(&self) -> String {
        if self.beside { "take take-beside" } else { "take" }.to_owned()
    }
}

/// One of them.
fn take(id: i64, shown: Memo<Vec<ShownTake>>) -> AnyView {
    let take =
        Memo::new(move |_| shown.with(|takes| takes.iter().find(|take| take.id == id).cloned()).unwrap_or_default());
    let of = move |read: fn(&ShownTake) -> String| words(move || take.with(read));
    // Its picture and its size never change.
    let ShownTake { address, sides: (width, height), .. } = take.get_untracked();
    view! {
        <li>
            <button
                class=of(ShownTake::class)
                type="button"
                data-act="take"
                data-id=id
                aria-pressed=of(|take| take.selected.to_string())
                aria-label=of(|take| take.label.clone())
            >
                <img class="take-picture" src=address alt="" width=width height=height loading="lazy"/>
            </button>
        </li>
    }
    .into_any()
}

fn typed(event: &ev::Event) -> Option<String> {
    browser::value(&browser::target(event)?)
}
