//! The timeline: clips as wide as their durations. Only the visible ones are in the page.

mod clip;
mod drag;
mod edits;
mod import;
mod player;
mod selection;
mod shortcuts;

use super::{Store, viewer::Stage};
use crate::act::Act;
use crate::{
    browser,
    buttons::{icon_button, toggle_button},
    icons::Icon,
    view::{Erase, dynamic, list, nothing, words},
};
use clip::Shown;
use drag::Drag;
use leptos::{ev, prelude::*};
use protocol::FrameId;
pub use shortcuts::{bound_key, is_typing};
use std::ops::Range;
use timeline::{Axis, Clip, Clips, History, Play, Selection};

/// The timeline's state.
#[derive(Clone, Copy)]
pub struct Timeline {
    store: Store,
    stage: Stage,
    /// Every clip; one that is being resized has its new duration.
    clips: Memo<Clips>,
    axis: RwSignal<Axis>,
    /// Scroll position and width, CSS pixels.
    seen: RwSignal<(f64, f64)>,
    /// The indices of the clips that are in the page.
    visible: Memo<Range<usize>>,
    /// What those clips show.
    shown_clips: Memo<Vec<Shown>>,
    drag: RwSignal<Option<Drag>>,
    history: RwSignal<History>,
    play: RwSignal<Option<Play>>,
    looping: RwSignal<bool>,
    /// The selected clips.
    selection: RwSignal<Selection>,
    /// Whether each click adds a clip to the selection, as Ctrl does on a keyboard.
    multi_select: RwSignal<bool>,
}

/// The scrolling element.
pub const STRIP: &str = "#strip";
/// Clips beyond either edge of the viewport that are rendered too.
const SPARE: usize = 3;
/// Width of one frame at the default zoom, CSS pixels: a square thumbnail.
const DEFAULT_PX: f64 = 96.0;
/// Width of the viewport before the first measurement, CSS pixels: wide enough for most windows.
const ASSUMED_PX: f64 = 2600.0;

impl Timeline {
    /// The timeline of a studio.
    pub fn new(store: Store, stage: Stage) -> Self {
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
        let selection = RwSignal::new(Selection::default());
        let shown_clips = Memo::new(move |_| {
            let (visible, axis, selection) = (visible.get(), axis.get(), selection.read());
            clips.with(|clips| Shown::all(store, &selection, axis, clips, visible))
        });
        let timeline = Self {
            store,
            stage,
            clips,
            axis,
            seen,
            visible,
            shown_clips,
            drag,
            history: RwSignal::new(History::default()),
            play: RwSignal::new(None),
            looping: RwSignal::new(true),
            selection,
            multi_select: RwSignal::new(false),
        };
        timeline.observe();
        timeline
    }

    /// Effects and listeners: measures the viewport, keeps the current clip visible, handles keys.
    fn observe(self) {
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

    /// Scrolls by the least distance that makes the whole clip visible.
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
        // The clips there must be rendered first, else there is nothing to scroll to.
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
                        view! { <p class="timeline-empty">"Frames appear here, side by side."</p> }.erase()
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
        .erase()
    }

    /// The toolbar above the clips.
    fn bar(self) -> AnyView {
        let playing = Memo::new(move |_| self.play.with(Option::is_some));
        let play = dynamic(move || match playing.get() {
            true => icon_button(Act::Play, "", "Pause", Icon::Pause),
            false => icon_button(Act::Play, "", "Play", Icon::Play),
        });
        let at = words(move || {
            let (fps, frames) = self.store.state.with(|state| (state.project.fps.max(1), state.frames.len()));
            let id = self.store.seen.with(|frame| frame.as_ref().map(|frame| frame.id.0));
            let (place, start) = self.clips.with(|clips| {
                let place = id.and_then(|id| clips.place(id)).unwrap_or_default();
                (place, clips.start(place))
            });
            let tenths = start * 10 / u64::from(fps);
            let selected = match self.selected().len() {
                0 | 1 => String::new(),
                n => format!(" · {n} selected"),
            };
            format!("{} of {frames} · {}.{} s{selected}", (place + 1).min(frames), tenths / 10, tenths % 10)
        });
        let looping = words(move || self.looping.get().to_string());
        let onion = words(move || (self.store.onion.get() > 0).to_string());
        let several = words(move || self.multi_select.get().to_string());
        let can = move |can: fn(&History) -> bool| Signal::derive(move || !self.history.with(can));
        view! {
            <div class="timeline-bar" role="toolbar" aria-label="Timeline">
                {icon_button(Act::PreviousFrame, "", "Previous frame", Icon::Before)}
                {play}
                {icon_button(Act::NextFrame, "", "Next frame", Icon::After)}
                {toggle_button(Act::Loop, "Loop", "Loop", Icon::Loop, looping)}
                {toggle_button(Act::OnionSkin, "Onion skin", "Onion skin: off, faint, half, strong", Icon::Onion, onion)}
                <span class="timeline-at">{at}</span>
                <span class="timeline-bar-end">
                    {self.import_buttons()}
                    {toggle_button(Act::SelectSeveral, "Select several", "Select several: each click selects one more", Icon::Mark, several)}
                    <button class="icon-button" type="button" data-act=Act::Undo.as_str() aria-label="Undo" title="Undo" disabled=can(History::can_undo)>{Icon::Undo.view()}</button>
                    <button class="icon-button" type="button" data-act=Act::Redo.as_str() aria-label="Redo" title="Redo" disabled=can(History::can_redo)>{Icon::Redo.view()}</button>
                    {icon_button(Act::Narrower, "", "Zoom timeline out", Icon::Minus)}
                    {icon_button(Act::Wider, "", "Zoom timeline in", Icon::Plus)}
                </span>
            </div>
        }
        .erase()
    }

    /// Zooms around the middle of the viewport.
    pub fn zoom_middle(self, factor: f64) {
        self.zoom(factor, self.seen.get_untracked().1 / 2.0);
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
            let left = browser::find(STRIP).map(|element| browser::area(&element).left).unwrap_or_default();
            self.zoom(if event.delta_y() < 0.0 { 1.15 } else { 1.0 / 1.15 }, f64::from(event.client_x()) - left);
        }
    }
}

/// The padding at both ends, CSS pixels; as in the style sheet.
const SIDE_PX: f64 = 16.0;
