//! One clip.

use super::Strip;
use crate::{
    studio::{Store, words},
    view::{dynamic, nothing, words},
};
use leptos::{
    prelude::*,
    reactive::graph::{Subscriber, ToAnySubscriber},
};
use protocol::FrameId;
use std::ops::Range;
use timeline::{Axis, Clips, Selection};

/// What a clip shows.
///
/// One reading of the state serves all clips that are in the page, and they read nothing else: a signal keeps
/// whoever has read it, also when that has long left the page, until it changes next. Clips that each read the
/// axis and the marks, which seldom change, left their readers behind each time they were scrolled into sight
/// or played past.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    id: i64,
    /// Counted from 1.
    place: usize,
    duration: u32,
    width_px: i64,
    /// The picture's own width and height.
    sides: (u32, u32),
    address: String,
    /// Whether its picture is being made, or waits for it.
    forming: bool,
    /// How far the picture is, while it is made.
    done_permille: Option<u32>,
    /// Whether the viewer shows it.
    current: bool,
    marked: bool,
}

/// Between two clips, CSS pixels; as in the style sheet.
const GAP_PX: i64 = 2;
/// The narrowest that a clip gets, CSS pixels: an edge can still be taken hold of.
const NARROWEST_PX: i64 = 4;

impl Shown {
    /// The clips at these places.
    pub fn all(store: Store, marks: &Selection, axis: Axis, clips: &Clips, places: Range<usize>) -> Vec<Self> {
        let current = store.seen.with(|frame| frame.as_ref().map(|frame| frame.id));
        let (state, pictures) = (store.state.read(), store.pictures.read());
        let one = |place: usize| {
            let clip = clips.get(place)?;
            let frame = state.frames.get(place).filter(|frame| frame.id.0 == clip.id)?;
            // From edge to edge: widths that are rounded each for itself drift away from where the pointer is told to be.
            let [left, right] = [place, place + 1].map(|place| axis.x_from_time(clips.start(place) as f64).round());
            Some(Self {
                id: clip.id,
                place: place + 1,
                duration: clip.duration,
                width_px: ((right - left) as i64 - GAP_PX).max(NARROWEST_PX),
                sides: (frame.width, frame.height),
                address: pictures.shown(frame.id).unwrap_or_default().to_owned(),
                forming: frame.status.is_generating(),
                done_permille: state.task_of(frame).map(words::done_permille),
                current: current == Some(frame.id),
                marked: marks.contains(clip.id),
            })
        };
        places.filter_map(one).collect()
    }

    fn label(&self) -> String {
        let being_made = if self.forming { ", being made" } else { "" };
        format!("Frame {}{being_made}", self.place)
    }

    /// Its number, and for how many frames it stands if for several.
    fn caption(&self) -> String {
        match self.duration {
            0 | 1 => self.place.to_string(),
            duration => format!("{} ×{duration}", self.place),
        }
    }

    /// The arrow keys go from clip to clip; the tabulator goes to the current one.
    fn tab_index(&self) -> String {
        if self.current { "0" } else { "-1" }.to_owned()
    }

    /// A ring that closes.
    fn ring(&self) -> String {
        format!("{} 1000", self.done_permille.unwrap_or(1000))
    }
}

impl Strip {
    /// A thumbnail as wide as its frame is long. The width is an attribute of an empty drawing: the page's
    /// policy allows no inline style, and the server must be able to say it too.
    pub fn clip(self, id: FrameId) -> AnyView {
        let clip = ArcMemo::new(move |_| {
            let found = self.shown_clips.with(|clips| clips.iter().find(|clip| clip.id == id.0).cloned());
            found.unwrap_or_default()
        });
        // A memo keeps its readers for ever: 180 bytes for each clip that was scrolled out of sight.
        let reader = clip.to_any_subscriber();
        on_cleanup(move || reader.clear_sources(&reader));
        let clip = Memo::from(clip);
        let of = move |read: fn(&Shown) -> String| words(move || clip.with(read));
        let made = Memo::new(move |_| clip.with(|clip| clip.done_permille.is_some()));
        view! {
            <li class="clip" data-clip=id.0>
                <button
                    class="clip-button"
                    type="button"
                    data-act="select"
                    data-id=id.0
                    aria-pressed=of(|clip| (clip.current || clip.marked).to_string())
                    aria-current=of(|clip| clip.current.to_string())
                    aria-label=of(Shown::label)
                    tabindex=of(Shown::tab_index)
                >
                    <svg class="clip-width" width=of(|clip| clip.width_px.to_string()) height="1" aria-hidden="true"></svg>
                    <img
                        class="clip-picture"
                        src=of(|clip| clip.address.clone())
                        alt=""
                        width=of(|clip| clip.sides.0.to_string())
                        height=of(|clip| clip.sides.1.to_string())
                        decoding="sync"
                        draggable="false"
                    />
                    {dynamic(move || if made.get() { ring(of(Shown::ring)) } else { nothing() })}
                    <span class="clip-place" aria-hidden="true">{of(Shown::caption)}</span>
                </button>
                <span class="clip-edge" data-edge="" aria-hidden="true"></span>
            </li>
        }
        .into_any()
    }
}

/// How far a picture is.
fn ring(dash: Signal<String>) -> AnyView {
    view! {
        <svg class="ring" viewBox="0 0 24 24" aria-hidden="true">
            <circle class="ring-way" cx="12" cy="12" r="9"/>
            <circle class="ring-done" cx="12" cy="12" r="9" pathLength="1000" stroke-dasharray=dash transform="rotate(-90 12 12)"/>
        </svg>
    }
    .into_any()
}
