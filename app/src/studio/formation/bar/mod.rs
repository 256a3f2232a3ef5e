//! The scrub bar: a slider over the steps of the shown take, also while it forms, and a button that plays them.

mod pin;
mod play;

use super::{branch::branching, export, steps::Steps};
use crate::{
    browser,
    serverfns::takes::get_trace,
    studio::{GenerationForm, Store},
    view::{Erase, dynamic, nothing, subscribe, words},
};
use leptos::{
    ev, prelude::*, reactive::owner::LocalStorage, task::spawn_local, wasm_bindgen::JsCast, web_sys::Element,
};
use protocol::{FrameStatus, TakeId, TraceLevel};

/// Wait before a take's steps are read: a take that the arrow keys pass over is not asked for.
const SETTLE_MS: u32 = 120;
/// Least time between two readings of a take that forms.
const READ_MS: u32 = 300;

/// Why a step cannot be branched from.
const NO_STATE: &str = "This step was kept to be looked at, not to branch from. The setting \u{201c}Keep of a picture that forms\u{201d} keeps both for later pictures.";

/// The take that the viewer shows, and whether it still forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    take: TakeId,
    is_forming: bool,
}

/// The bar's state.
#[derive(Clone, Copy)]
struct Bar {
    store: Store,
    form: GenerationForm,
    shown: Memo<Option<Shown>>,
    /// Steps done of the take that forms.
    done: Memo<u32>,
    steps: RwSignal<Steps>,
    /// The step that is scrubbed to; none: the picture itself.
    at: RwSignal<Option<u32>>,
    /// Whether the pointer or the focus is in the bar.
    is_in_use: RwSignal<bool>,
    is_playing: RwSignal<bool>,
    is_reading: StoredValue<bool>,
    /// Counts the steps that were asked for, so that a picture that is decoded late replaces no later one.
    asked: StoredValue<u32>,
    arrived: StoredValue<u32>,
    /// Decoded pictures, by step.
    ahead: StoredValue<Vec<(u32, browser::Held)>, LocalStorage>,
}

/// The bar of the shown take.
pub fn view(store: Store, form: GenerationForm) -> AnyView {
    let shown = Memo::new(move |_| {
        store.current.with(|frame| {
            let frame = frame.as_ref().filter(|frame| frame.status != FrameStatus::Queued)?;
            Some(Shown { take: frame.take_id, is_forming: frame.status.is_generating() })
        })
    });
    let bar = Bar {
        store,
        form,
        shown,
        done: Memo::new(move |_| store.current_task().map_or(0, |task| task.step)),
        steps: RwSignal::new(Steps::default()),
        at: RwSignal::new(None),
        is_in_use: RwSignal::new(false),
        is_playing: RwSignal::new(false),
        is_reading: StoredValue::new(false),
        asked: StoredValue::new(0),
        arrived: StoredValue::new(0),
        ahead: StoredValue::new_local(Vec::new()),
    };
    bar.observe();
    bar.view()
}

impl Bar {
    /// Reads the steps of each take that is shown, and further ones of a take that forms while somebody looks at them.
    fn observe(self) {
        let Self { store, shown, .. } = self;
        Effect::new(move |before: Option<Option<Shown>>| {
            let now = shown.get();
            let take = |shown: Option<Shown>| shown.map(|shown| shown.take);
            if before.is_none_or(|before| take(before) != take(now)) {
                self.back();
                self.steps.set(Steps::default());
                self.ahead.set_value(Vec::new());
            }
            if let Some(now) = now {
                spawn_local(async move {
                    browser::wait(SETTLE_MS).await;
                    self.read(now).await;
                });
            }
            now
        });
        Effect::new(move |_| {
            subscribe(self.done);
            let is_kept = store.state.with_untracked(|state| state.settings.trace != TraceLevel::Off);
            let is_new = is_kept && self.steps.with_untracked(|steps| steps.len() == 0);
            if let Some(now) = shown.get_untracked().filter(|now| now.is_forming)
                && (self.is_in_use.get() || is_new)
            {
                spawn_local(self.read_again(now));
            }
        });
        Effect::new(move |_| {
            if store.playing.with(Option::is_some) {
                self.back();
            }
        });
    }

    /// Reads the steps of a take that forms, unless that is being done.
    async fn read_again(self, now: Shown) {
        if self.is_reading.try_update_value(|is_reading| std::mem::replace(is_reading, true)) != Some(false) {
            return;
        }
        self.read(now).await;
        browser::wait(READ_MS).await;
        self.is_reading.try_set_value(false);
    }

    async fn read(self, of: Shown) {
        if self.shown.try_get_untracked() != Some(Some(of)) {
            return;
        }
        // Without an answer there is no scrub bar; the connection status shows that the server is gone.
        let Ok(Some(trace)) = get_trace(of.take).await.and_then(|trace| trace.open()) else { return };
        let is_same = |shown: Option<Shown>| shown.is_some_and(|shown| shown.take == of.take);
        if self.shown.try_get_untracked().is_some_and(is_same) {
            self.steps.try_set(trace.into());
            if self.is_in_use.try_get_untracked() == Some(true) {
                self.decode_ahead(self.place());
            }
        }
    }

    fn is_forming(self) -> bool {
        self.shown.with(|shown| shown.is_some_and(|shown| shown.is_forming))
    }

    /// The slider's range. That of a take that forms is the whole run, so that its thumb shows how far it is.
    fn range(self) -> Option<(u32, u32)> {
        let (first, last, total) = self.steps.with(|steps| Some((steps.ends()?.0, steps.ends()?.1, steps.total)))?;
        let end = if self.is_forming() { total } else { last };
        (first < end).then_some((first, end))
    }

    /// The slider's value while nothing is scrubbed to: the newest step of a take that forms, else the end.
    fn newest(self) -> u32 {
        let kept = self.steps.with(|steps| steps.ends().map_or(0, |(_, last)| last));
        if self.is_forming() { kept.max(self.done.get()) } else { kept }
    }

    fn place(self) -> u32 {
        self.at.get_untracked().unwrap_or_else(|| untrack(|| self.newest()))
    }

    /// Shows the picture of the take again.
    fn back(self) {
        self.is_playing.set(false);
        self.at.set(None);
        self.store.scrubbed.set(None);
    }

    fn slide(self, event: &ev::Event) {
        let Some(field) = browser::target(event) else { return };
        let Some(step) = browser::value(&field).and_then(|text| text.parse::<u32>().ok()) else { return };
        self.is_playing.set(false);
        let newest = untrack(|| self.newest());
        // The last step is the finished picture, which has all its pixels.
        if step >= newest {
            self.back()
        } else {
            self.show(step)
        }
        // Where a step was not kept, the thumb moves to one that was.
        if self.place() != step {
            browser::set_value(&field, &self.place().to_string());
        }
    }

    fn key(self, event: &ev::KeyboardEvent) {
        let is_scrubbed = self.at.with_untracked(Option::is_some);
        let is_slider =
            browser::target(event).is_some_and(|target| target.get_attribute("type").as_deref() == Some("range"));
        match event.key().as_str() {
            "Escape" if is_scrubbed => self.back(),
            " " if is_slider && !event.repeat() => self.toggle_play(),
            _ => return,
        }
        event.prevent_default();
    }

    /// The pointer or the focus comes in.
    fn enter(self) {
        if !self.is_in_use.get_untracked() {
            self.is_in_use.set(true);
            self.decode_ahead(self.place());
        }
    }

    /// The focus goes elsewhere: the picture of the take is shown again.
    fn leave(self, event: &ev::FocusEvent) {
        let to = event.related_target().and_then(|to| to.dyn_into::<Element>().ok());
        if to.is_none_or(|to| to.closest(".scrub").ok().flatten().is_none()) {
            self.is_in_use.set(false);
            self.back();
        }
    }

    /// The step that a branch begins after: the one that is scrubbed to, or the last one of a take that was kept before its end.
    fn branch_step(self) -> Option<u32> {
        let kept = || self.steps.with(Steps::kept_branch).filter(|_| !self.is_forming());
        self.at.get().or_else(kept)
    }

    /// Fills the form to continue the take after the shown step.
    fn branch(self) {
        let Some(step) = untrack(|| self.branch_step()) else { return };
        let frame = self.store.current.with_untracked(|frame| frame.as_ref().map(|frame| frame.id));
        let (Some(frame), Some(Shown { take, .. })) = (frame, self.shown.get_untracked()) else { return };
        spawn_local(async move {
            match branching(frame, take, step).await {
                Ok(Some(draft)) => self.form.branch_with(&draft),
                Ok(None) => _ = self.store.refused.try_set(Some(NO_STATE.to_owned())),
                Err(error) => self.store.refuse(error),
            }
        });
    }

    /// `Step 8 of 20`, or what is shown while nothing is scrubbed to.
    fn said(self) -> String {
        match self.at.get() {
            Some(step) => self.steps.with(|steps| steps.label(step)),
            None if self.is_forming() => "Newest step".to_owned(),
            None => "Finished picture".to_owned(),
        }
    }

    fn view(self) -> AnyView {
        let range = Memo::new(move |_| self.range());
        let is_any = Memo::new(move |_| range.with(Option::is_some));
        let of =
            move |read: fn((u32, u32)) -> u32| words(move || range.get().map(read).unwrap_or_default().to_string());
        let value = words(move || self.at.get().unwrap_or_else(|| self.newest()).to_string());
        dynamic(move || {
            if !is_any.get() {
                return nothing();
            }
            let said = words(move || self.said());
            let take = Signal::derive(move || self.shown.get().map(|shown| shown.take));
            let is_forming = Memo::new(move |_| self.is_forming());
            let is_off = Signal::derive(move || self.branch_step().is_none());
            let branch = words(move || match self.branch_step() {
                Some(step) => format!("Branch from step {step}"),
                None => "Branch".to_owned(),
            });
            view! {
                <div
                    class="scrub"
                    role="group"
                    aria-label="How it formed"
                    on:pointerenter=move |_| self.enter()
                    on:pointerleave=move |_| self.is_in_use.set(self.at.with_untracked(Option::is_some))
                    on:focusin=move |_| self.enter()
                    on:focusout=move |event| self.leave(&event)
                    on:keydown=move |event| self.key(&event)
                >
                    {self.play_button()}
                    <input
                        class="scrub-slider"
                        type="range"
                        min=of(|range| range.0)
                        max=of(|range| range.1)
                        step="1"
                        prop:value=value
                        aria-label="Step"
                        aria-valuetext=said
                        on:input=move |event| self.slide(&event)
                    />
                    <span class="scrub-said" aria-hidden="true">{said}</span>
                    // The slider keeps the focus, and the step stays in view.
                    <button
                        class="button button-small scrub-branch"
                        type="button"
                        disabled=is_off
                        on:mousedown=|event| event.prevent_default()
                        on:click=move |_| self.branch()
                    >
                        {branch}
                    </button>
                    {self.pin_button()}
                    {dynamic(move || if is_forming.get() { nothing() } else { export::view(self.store, take) })}
                </div>
            }
            .erase()
        })
    }
}
