//! The frame's panel: its length and place, its takes, and what they are made from.

use super::{Store, draft::Draft, form, strip::Strip};
use crate::{
    browser,
    components::Icon,
    serverfns::{
        frames::update_frame,
        takes::{delete_take, list_takes},
    },
    view::{button, dynamic, icon_button, list, nothing, words},
};
use leptos::{ev, prelude::*, task::spawn_local};
use protocol::{Frame, FrameId, Parameters, Take, TakeId, TaskStatus, frame::limits::DURATION};

/// The panel's state: the finished takes of the current frame.
#[derive(Clone, Copy)]
pub struct Inspector {
    store: Store,
    takes: RwSignal<Vec<Take>>,
}

/// How much of a take is redone when it is varied.
const VARY_STRENGTH: &str = "0.35";

impl Inspector {
    /// Reads the takes whenever the current frame is another, shows another take, or has one more that is finished.
    pub fn new(store: Store) -> Self {
        let inspector = Self { store, takes: RwSignal::new(Vec::new()) };
        let frame = Memo::new(move |_| {
            store.current.with(|frame| frame.as_ref().map(|frame| (frame.id, frame.selected_take_id)))
        });
        let open = Memo::new(move |_| {
            let of_frame = |(id, _)| store.state.with(|state| state.tasks.iter().filter(|t| t.frame_id == id).count());
            frame.get().map_or(0, of_frame)
        });
        let id = Memo::new(move |_| frame.get().map(|(id, _)| id));
        Effect::new(move |_| {
            id.track();
            store.compared.set(None);
        });
        Effect::new(move |before: Option<(_, usize)>| {
            let now = (frame.get(), open.get());
            // One more that is open is none that is finished.
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
            // A server that is gone is told by the connection.
            let Ok(takes) = list_takes(id).await.and_then(|takes| takes.open()) else { return };
            let still =
                self.store.current.try_with_untracked(|frame| frame.as_ref().is_some_and(|frame| frame.id == id));
            if still == Some(true) {
                let finished = takes.into_iter().filter(|take| take.status == TaskStatus::Completed);
                self.takes.try_set(finished.collect());
                self.end_comparison();
            }
        });
    }

    /// The selected take.
    fn take(self) -> Option<Take> {
        self.takes.with(|takes| takes.iter().find(|take| take.selected).cloned())
    }

    /// What its buttons do.
    pub fn act(self, act: &str, id: i64) -> bool {
        let take = self.takes.with_untracked(|takes| takes.iter().find(|take| take.id.0 == id).cloned());
        match (act, take) {
            ("compare", _) => self.compare(),
            ("take", Some(take)) => self.select(&take),
            ("delete-take", Some(take)) => self.delete(&take),
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

    /// The frame shows this take from now on; so does the panel, at once.
    fn select(self, take: &Take) {
        if take.selected {
            return;
        }
        let (id, frame) = (take.id, take.frame_id);
        self.turn_over(id);
        self.takes.update(|takes| takes.iter_mut().for_each(|take| take.selected = take.id == id));
        self.store.run(async move {
            let done = update_frame(frame, None, None, Some(id), None).await;
            if done.is_err() {
                self.read(frame);
            }
            done
        });
    }

    /// Of a take that is not selected no event tells: the list is read again.
    fn delete(self, take: &Take) {
        let (id, frame) = (take.id, take.frame_id);
        self.store.run(async move {
            delete_take(id).await?;
            self.read(frame);
            Ok(())
        });
    }

    /// Lays the newest take that is not shown beside the one that is; or ends it.
    fn compare(self) {
        let other = || self.takes.with_untracked(|takes| takes.iter().find(|take| !take.selected).cloned());
        let now = if self.store.compared.with_untracked(Option::is_some) { None } else { other() };
        self.store.compared.set(now);
    }

    /// A take is compared with another that is shown; where it is shown itself, or gone, there is nothing to compare.
    fn end_comparison(self) {
        let Some(Some(id)) = self.store.compared.try_with_untracked(|take| take.as_ref().map(|take| take.id)) else {
            return;
        };
        let beside = |take: &Take| take.id == id && !take.selected;
        if self.takes.try_with_untracked(|takes| takes.iter().any(beside)) == Some(false) {
            self.store.compared.set(None);
        }
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

    /// The panel at the right. It is made once: only what differs changes from frame to frame.
    pub fn view(self, strip: Strip) -> AnyView {
        let any = Memo::new(move |_| self.store.current.with(Option::is_some));
        view! {
            <aside class="inspector" aria-label="Frame" on:focusin=move |_| self.store.pin()>
                {dynamic(move || if any.get() { self.frame(strip) } else { nothing() })}
            </aside>
        }
        .into_any()
    }

    fn frame(self, strip: Strip) -> AnyView {
        let store = self.store;
        let take = Memo::new(move |_| self.take());
        let of = move |read: fn(&Frame) -> String| {
            words(move || store.current.with(|frame| frame.as_ref().map(read).unwrap_or_default()))
        };
        let ids = Memo::new(move |_| store.current.with(|frame| frame.iter().map(|frame| frame.id.0).collect()));
        view! {
            <div class="inspector-head" data-id=of(|frame| frame.id.to_string())>
                <h2 class="inspector-title">"Frame "{of(|frame| (frame.position + 1).to_string())}</h2>
                {icon_button("earlier", "", "Earlier", Icon::Before)}
                {icon_button("later", "", "Later", Icon::After)}
                {icon_button("duplicate-frame", "", "Duplicate frame", Icon::Copy)}
                {icon_button("delete-frame", "", "Delete frame", Icon::Delete)}
            </div>
            <dl class="facts-list">
                <dt>"Size"</dt><dd>{of(|frame| format!("{} × {}", frame.width, frame.height))}</dd>
                <dt>"Stands for"</dt>
                <dd>{self.duration(strip, of(|frame| frame.duration.to_string()))}</dd>
            </dl>
            {self.takes_list()}
            {dynamic(move || take.with(|take| take.as_ref().map_or_else(nothing, |take| self.parameters(take))))}
            {list(ids.into(), move |id| self.note(FrameId(id)))}
        }
        .into_any()
    }

    fn duration(self, strip: Strip, value: Signal<String>) -> AnyView {
        let change = move |event: ev::Event| {
            let Some(field) = browser::target(&event) else { return };
            let typed = browser::value(&field).and_then(|text| text.trim().parse::<u32>().ok());
            let Some((id, now)) =
                self.store.current.with_untracked(|frame| frame.as_ref().map(|frame| (frame.id, frame.duration)))
            else {
                return;
            };
            match typed {
                Some(frames) => strip.stretch(id, now, frames.clamp(*DURATION.start(), *DURATION.end())),
                // What is no number changes nothing.
                None => browser::set_value(&field, &now.to_string()),
            }
        };
        view! {
            <input class="small-number" type="number" min="1" max="10000" aria-label="Duration in frames" prop:value=value value=value on:change=change/>
            " frames"
        }
        .into_any()
    }

    /// The note of one frame. It is sent when the field is left, and when the field leaves the page with what was
    /// typed into it: of that the browser says nothing.
    fn note(self, id: FrameId) -> AnyView {
        let store = self.store;
        let value =
            store.state.with_untracked(|state| state.frame(id).map(|frame| frame.note.clone()).unwrap_or_default());
        let unsent = StoredValue::new(None::<String>);
        let send = move || {
            if let Some(note) = unsent.try_update_value(Option::take).flatten() {
                store.run(update_frame(id, None, None, None, Some(note)));
            }
        };
        on_cleanup(send);
        view! {
            <div class="field inspector-note">
                <label for="note">"Note"</label>
                <textarea id="note" rows="2" on:input=move |event| unsent.set_value(typed(&event)) on:change=move |_| send()>
                    {crate::view::in_textarea(&value)}
                </textarea>
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
