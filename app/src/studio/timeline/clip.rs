//! One clip of the timeline.

use super::Timeline;
use crate::{
    act::Act,
    studio::{Store, address, progress_text},
    view::{Erase, dynamic, nothing, words},
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
/// One memo reads the state for all rendered clips, and the clips read only this memo. A signal keeps its subscribers until
/// it changes, even after they have left the page. Clips that subscribed to the axis and the selection, which seldom
/// change, leaked a subscriber each time they were scrolled into view or played past.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    id: i64,
    /// Counted from 1.
    place: usize,
    duration: u32,
    width_px: i64,
    /// Width and height of the picture, pixels.
    sides: (u32, u32),
    address: String,
    /// Whether its picture is queued or being generated.
    forming: bool,
    /// Progress of the generation in thousandths.
    done_permille: Option<u32>,
    /// Whether the viewer shows it.
    current: bool,
    selected: bool,
}

/// Gap between two clips, CSS pixels; as in the style sheet.
const GAP_PX: i64 = 2;
/// Least width of a clip, CSS pixels: its edge can still be grabbed.
const NARROWEST_PX: i64 = 4;
/// Height of a clip, CSS pixels; as in the style sheet.
const HEIGHT_PX: u32 = 96;

impl Shown {
    /// The clips at these indices.
    pub fn all(store: Store, selection: &Selection, axis: Axis, clips: &Clips, places: Range<usize>) -> Vec<Self> {
        let current = store.seen.with(|frame| frame.as_ref().map(|frame| frame.id));
        let (state, pictures) = (store.state.read(), store.pictures.read());
        let one = |place: usize| {
            let clip = clips.get(place)?;
            let frame = state.frames.get(place).filter(|frame| frame.id.0 == clip.id)?;
            // The edges are rounded, not the widths: rounded widths would add up to positions that differ from the axis.
            let [left, right] = [place, place + 1].map(|place| axis.x_from_time(clips.start(place) as f64).round());
            let (width_px, sides) = (((right - left) as i64 - GAP_PX).max(NARROWEST_PX), (frame.width, frame.height));
            let place_px = u32::try_from(width_px).unwrap_or(u32::MAX / 2).max(HEIGHT_PX);
            let shown = pictures.shown(frame.id).unwrap_or_default().to_owned();
            Some(Self {
                id: clip.id,
                place: place + 1,
                duration: clip.duration,
                width_px,
                sides,
                address: address::thumbnail(shown, sides, place_px),
                forming: frame.status.is_generating(),
                done_permille: state.task_of(frame).map(progress_text::done_permille),
                current: current == Some(frame.id),
                selected: selection.contains(clip.id),
            })
        };
        places.filter_map(one).collect()
    }

    fn label(&self) -> String {
        let being_made = if self.forming { ", being made" } else { "" };
        format!("Frame {}{being_made}", self.place)
    }

    /// Its number, and its duration if it is longer than one frame.
    fn caption(&self) -> String {
        match self.duration {
            0 | 1 => self.place.to_string(),
            duration => format!("{} ×{duration}", self.place),
        }
    }

    /// Arrow keys move between clips; Tab reaches only the current one.
    fn tab_index(&self) -> String {
        if self.current { "0" } else { "-1" }.to_owned()
    }

    /// The dash pattern of the progress ring.
    fn ring(&self) -> String {
        format!("{} 1000", self.done_permille.unwrap_or(1000))
    }
}

impl Timeline {
    /// A thumbnail whose width shows the frame's duration. The width is an attribute of an empty `<svg>`, because the content
    /// security policy forbids inline styles and the server must be able to render it.
    pub fn clip(self, id: FrameId) -> AnyView {
        let clip = ArcMemo::new(move |_| {
            let found = self.shown_clips.with(|clips| clips.iter().find(|clip| clip.id == id.0).cloned());
            found.unwrap_or_default()
        });
        // A memo keeps its subscribers: it leaked 180 bytes for each clip that was scrolled out of view.
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
                    data-act=Act::SelectFrame.as_str()
                    data-id=id.0
                    aria-pressed=of(|clip| (clip.current || clip.selected).to_string())
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
        .erase()
    }
}

/// The progress ring.
fn ring(dash: Signal<String>) -> AnyView {
    view! {
        <svg class="ring" viewBox="0 0 24 24" aria-hidden="true">
            <circle class="ring-way" cx="12" cy="12" r="9"/>
            <circle class="ring-done" cx="12" cy="12" r="9" pathLength="1000" stroke-dasharray=dash transform="rotate(-90 12 12)"/>
        </svg>
    }
    .erase()
}
