//! The timeline: clips at their durations, of which only the visible ones are in the page.

mod bring;
mod clip;
mod drag;
mod edits;
mod keys;
mod marks;
mod player;

use super::Store;
use crate::{
    browser,
    components::Icon,
    view::{dynamic, icon_button, list, nothing, words},
};
use clip::Shown;
use drag::Drag;
use leptos::{ev, prelude::*};
use protocol::FrameId;
use std::ops::Range;
use timeline::{Axis, Clip, Clips, History, Play, Selection};

/// The timeline's own state.
#[derive(Clone, Copy)]
pub struct Strip {
    store: Store,
    /// Every clip; one that is being stretched has its new duration.
    clips: Memo<Clips>,
    axis: RwSignal<Axis>,
    /// Scroll position and width, CSS pixels.
    seen: RwSignal<(f64, f64)>,
    /// The places whose clips are in the page.
    visible: Memo<Range<usize>>,
    /// What those clips show.
    shown_clips: Memo<Vec<Shown>>,
    drag: RwSignal<Option<Drag>>,
    history: RwSignal<History>,
    play: RwSignal<Option<Play>>,
    looping: RwSignal<bool>,
    /// The clips that are marked together.
    marks: RwSignal<Selection>,
    /// Whether each click marks one more: for those without a keyboard.
    marking: RwSignal<bool>,
}

/// The strip's element.
pub const STRIP: &str = "#strip";
/// Clips beyond either edge that are in the page already.
const SPARE: usize = 3;
/// One frame of the default zoom: a square thumbnail, CSS pixels.
const DEFAULT_PX: f64 = 96.0;
/// What the server takes a window to be wide: enough that nothing is missing before the first measure.
const ASSUMED_PX: f64 = 2600.0;

impl Strip {
    /// The timeline of a studio.
    pub fn new(store: Store) -> Self {
        let drag = RwSignal::new(None::<Drag>);
        let clips = Memo::new(move |_| {
            let stretched = drag.with(|drag| drag.as_ref().and_then(Drag::stretched));
            let clip = |frame: &protocol::Frame| {
                let own = Clip { id: frame.id.0, duration: frame.duration };
                stretched.filter(|clip| clip.id == own.id).unwrap_or(own)
            };
            store.state.with(|state| state.frames.iter().map(clip).collect::<Clips>())
        });
        let axis = RwSignal::new(Axis::new(DEFAULT_PX));
        let seen = RwSignal::new((0.0, ASSUMED_PX));
        let visible = Memo::new(move |_| {
            let (scroll, width) = seen.get();
            clips.with(|clips| clips.visible(axis.get(), scroll, width, SPARE))
        });
        let marks = RwSignal::new(Selection::default());
        let shown_clips = Memo::new(move |_| {
            let (visible, axis, marks) = (visible.get(), axis.get(), marks.read());
            clips.with(|clips| Shown::all(store, &marks, axis, clips, visible))
        });
        let strip = Self {
            store,
            clips,
            axis,
            seen,
            visible,
            shown_clips,
            drag,
            history: RwSignal::new(History::default()),
            play: RwSignal::new(None),
            looping: RwSignal::new(true),
            marks,
            marking: RwSignal::new(false),
        };
        strip.follow();
        strip
    }

    /// In the browser: measures, keeps the current clip in sight, listens to the keys.
    fn follow(self) {
        Effect::new(move |_| self.measure());
        let resized = window_event_listener(ev::resize, move |_| self.measure());
        let keys = window_event_listener(ev::keydown, move |event| self.key(&event));
        on_cleanup(move || {
            resized.remove();
            keys.remove();
        });
        Effect::new(move |before: Option<Option<FrameId>>| {
            let id = self.store.seen.with(|frame| frame.as_ref().map(|frame| frame.id));
            if before != Some(id)
                && let Some(id) = id
            {
                self.reveal(id);
            }
            id
        });
    }

    fn measure(self) {
        if let Some(element) = browser::find(STRIP) {
            let (scroll, width) = (f64::from(element.scroll_left()), browser::area(&element).width);
            if width > 0.0 {
                self.seen.set((scroll, width));
            }
        }
    }

    /// Scrolls as little as is needed for a clip to be seen whole.
    fn reveal(self, id: FrameId) {
        let Some((start, end)) = self.clips.with_untracked(|clips| {
            let place = clips.place(id.0)?;
            Some((clips.start(place), clips.start(place + 1)))
        }) else {
            return;
        };
        let axis = self.axis.get_untracked();
        let (left, right) = (axis.x_from_time(start as f64), axis.x_from_time(end as f64));
        let (scroll, width) = self.seen.get_untracked();
        let to = if left < scroll {
            left - SIDE_PX
        } else if right + 2.0 * SIDE_PX > scroll + width {
            right + 3.0 * SIDE_PX - width
        } else {
            return;
        };
        // The clips of the new place are put into the page first, else there is nothing to scroll to.
        self.seen.set((to.max(0.0), width));
        request_animation_frame(move || {
            if let Some(element) = browser::find(STRIP) {
                browser::scroll_to(&element, to);
            }
        });
    }

    /// The section under the viewer.
    pub fn view(self) -> AnyView {
        let empty = Memo::new(move |_| self.clips.with(Clips::is_empty));
        let ids = Memo::new(move |_| {
            let visible = self.visible.get();
            self.clips
                .with(|clips| visible.filter_map(|place| clips.get(place)).map(|clip| clip.id).collect::<Vec<_>>())
        });
        let px = move |frames: u64| (self.axis.get().x_from_time(frames as f64).round() as u64).to_string();
        let lead = words(move || px(self.clips.with(|clips| clips.start(self.visible.get().start))));
        let tail = words(move || px(self.clips.with(|clips| clips.duration() - clips.start(self.visible.get().end))));
        view! {
            <section class="timeline" aria-label="Timeline">
                {self.bar()}
                <div
                    class="strip"
                    id="strip"
                    on:scroll=move |_| self.measure()
                    on:wheel=move |event| self.wheel(&event)
                    on:pointerdown=move |event| self.down(&event)
                    on:pointermove=move |event| self.moved(&event)
                    on:pointerup=move |_| self.dropped()
                    on:pointercancel=move |_| self.drag.set(None)
                    on:dragover=move |event| browser::allow_drop(&event)
                    on:drop=move |event| self.dropped_files(&event)
                >
                    {dynamic(move || if empty.get() {
                        view! { <p class="timeline-empty">"Frames will stand here, one beside the other."</p> }.into_any()
                    } else {
                        nothing()
                    })}
                    <svg class="strip-space" width=lead height="1" aria-hidden="true"></svg>
                    <ol class="strip-frames">{list(ids.into(), move |id| self.clip(FrameId(id)))}</ol>
                    <svg class="strip-space" width=tail height="1" aria-hidden="true"></svg>
                    {dynamic(move || self.gap())}
                </div>
            </section>
        }
        .into_any()
    }

    /// What is done with the timeline, above it.
    fn bar(self) -> AnyView {
        let playing = Memo::new(move |_| self.play.with(Option::is_some));
        let play = dynamic(move || match playing.get() {
            true => icon_button("play", "", "Pause", Icon::Pause),
            false => icon_button("play", "", "Play", Icon::Play),
        });
        let at = words(move || {
            let (fps, frames) = self.store.state.with(|state| (state.project.fps.max(1), state.frames.len()));
            let id = self.store.seen.with(|frame| frame.as_ref().map(|frame| frame.id.0));
            let (place, start) = self.clips.with(|clips| {
                let place = id.and_then(|id| clips.place(id)).unwrap_or_default();
                (place, clips.start(place))
            });
            let tenths = start * 10 / u64::from(fps);
            let marked = match self.marked().len() {
                0 | 1 => String::new(),
                n => format!(" · {n} marked"),
            };
            format!("{} of {frames} · {}.{} s{marked}", (place + 1).min(frames), tenths / 10, tenths % 10)
        });
        let looping = words(move || self.looping.get().to_string());
        let onion = words(move || (self.store.onion.get() > 0).to_string());
        let marking = words(move || self.marking.get().to_string());
        let can = move |can: fn(&History) -> bool| Signal::derive(move || !self.history.with(can));
        view! {
            <div class="timeline-bar" role="toolbar" aria-label="Timeline">
                {icon_button("step-back", "", "Frame before", Icon::Before)}
                {play}
                {icon_button("step-on", "", "Frame after", Icon::After)}
                <button class="icon-button toggle" type="button" data-act="loop" aria-label="Loop" title="Loop" aria-pressed=looping>{Icon::Loop.view()}</button>
                <button class="icon-button toggle" type="button" data-act="onion" aria-label="Onion skin" title="Onion skin: off, faint, half, strong" aria-pressed=onion>{Icon::Onion.view()}</button>
                <span class="timeline-at">{at}</span>
                <span class="timeline-bar-end">
                    {self.bring()}
                    <button class="icon-button toggle" type="button" data-act="marking" aria-label="Mark several" title="Mark several: each click marks one more" aria-pressed=marking>{Icon::Mark.view()}</button>
                    <button class="icon-button" type="button" data-act="undo" aria-label="Undo" title="Undo" disabled=can(History::can_undo)>{Icon::Undo.view()}</button>
                    <button class="icon-button" type="button" data-act="redo" aria-label="Redo" title="Redo" disabled=can(History::can_redo)>{Icon::Redo.view()}</button>
                    {icon_button("narrower", "", "Narrower", Icon::Minus)}
                    {icon_button("wider", "", "Wider", Icon::Plus)}
                </span>
            </div>
        }
        .into_any()
    }

    /// What its buttons do.
    pub fn act(self, act: &str, id: i64) -> bool {
        match act {
            "play" => self.toggle_play(),
            "step-back" => self.step(-1),
            "step-on" => self.step(1),
            "marking" => self.toggle_marking(),
            "blank" => self.bring_blank(),
            "loop" => self.toggle_loop(),
            "undo" => self.undo(),
            "redo" => self.redo(),
            "narrower" => self.zoom(0.8, self.seen.get_untracked().1 / 2.0),
            "wider" => self.zoom(1.25, self.seen.get_untracked().1 / 2.0),
            "earlier" => self.nudge(FrameId(id), false),
            "later" => self.nudge(FrameId(id), true),
            "duplicate-frame" => self.duplicate(FrameId(id)),
            "delete-frame" => self.delete(FrameId(id)),
            _ => return false,
        }
        true
    }

    fn zoom(self, factor: f64, x_px: f64) {
        let (scroll, width) = self.seen.get_untracked();
        let (axis, scroll) = self.axis.get_untracked().zoomed_at(factor, x_px, scroll);
        self.axis.set(axis);
        self.seen.set((scroll, width));
        request_animation_frame(move || {
            if let Some(element) = browser::find(STRIP) {
                browser::scroll_to(&element, scroll);
            }
        });
    }

    fn wheel(self, event: &ev::WheelEvent) {
        if event.ctrl_key() {
            event.prevent_default();
            let left = browser::find(STRIP).map(|strip| browser::area(&strip).left).unwrap_or_default();
            self.zoom(if event.delta_y() < 0.0 { 1.15 } else { 1.0 / 1.15 }, f64::from(event.client_x()) - left);
        }
    }
}

/// The strip's space at its sides, CSS pixels; as in the style sheet.
const SIDE_PX: f64 = 16.0;
