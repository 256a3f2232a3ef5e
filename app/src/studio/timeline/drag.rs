//! Drag and drop: a clip to another place, or its edge to another duration.

use super::{STRIP, Timeline};
use crate::{
    browser,
    view::{Erase, nothing},
};
use leptos::{ev, prelude::*};
use protocol::FrameId;
use timeline::Clip;

/// A drag in progress.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drag {
    clip: Clip,
    from_x_px: f64,
    /// Whether the pointer has moved far enough to be a drag and not a click.
    started: bool,
    /// Whether the pointer is outside the strip, where releasing it changes nothing.
    outside: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Moves the clip into this gap between clips.
    Move { gap: usize },
    /// Gives the clip this duration.
    Stretch { duration: u32 },
}

/// A pointer that moves less than this clicks, CSS pixels.
const THRESHOLD_PX: f64 = 5.0;

/// A pointer that is this near to the strip still counts as inside, CSS pixels: a hand that drags along does not keep its height.
const NEAR_PX: f64 = 24.0;

impl Drag {
    /// The clip with the duration to which its edge is dragged.
    pub fn stretched(&self) -> Option<Clip> {
        match self.kind {
            Kind::Stretch { duration } if !self.outside => Some(Clip { duration, ..self.clip }),
            Kind::Stretch { .. } | Kind::Move { .. } => None,
        }
    }
}

impl Timeline {
    /// Starts a drag by mouse or pen; touch scrolls.
    pub fn down(self, event: &ev::PointerEvent) {
        if event.button() != 0 || event.pointer_type() == "touch" {
            return;
        }
        self.drag.set(None);
        let Some(target) = browser::target(event) else { return };
        let clip = target.closest("[data-clip]").ok().flatten();
        let id = clip.and_then(|clip| clip.get_attribute("data-clip")).and_then(|id| id.parse().ok());
        let Some((place, clip)) = id.and_then(|id: i64| {
            self.clips.with_untracked(|clips| clips.place(id).and_then(|place| Some((place, clips.get(place)?))))
        }) else {
            return;
        };
        let kind = if target.has_attribute("data-edge") {
            Kind::Stretch { duration: clip.duration }
        } else {
            Kind::Move { gap: place }
        };
        self.drag.set(Some(Drag { clip, from_x_px: self.x_of(event), started: false, outside: false, kind }));
    }

    /// Position of the pointer on the axis, CSS pixels.
    pub(super) fn x_of(self, event: &ev::MouseEvent) -> f64 {
        let left = browser::find(STRIP).map(|element| browser::area(&element).left).unwrap_or_default();
        f64::from(event.client_x()) - left - super::SIDE_PX + self.seen.get_untracked().0
    }

    /// Continues the drag.
    pub fn moved(self, event: &ev::PointerEvent) {
        let Some(mut drag) = self.drag.get_untracked() else { return };
        // The button was released outside, before the pointer was captured.
        if event.buttons() & 1 == 0 {
            return self.drag.set(None);
        }
        let x = self.x_of(event);
        if !drag.started {
            if (x - drag.from_x_px).abs() < THRESHOLD_PX {
                return;
            }
            drag.started = true;
            if let Some(element) = browser::find(STRIP) {
                browser::capture(&element, event.pointer_id());
            }
        }
        drag.outside = browser::find(STRIP).is_some_and(|strip| !browser::area(&strip).is_near(event, NEAR_PX));
        let axis = self.axis.get_untracked();
        drag.kind = match drag.kind {
            Kind::Move { .. } => {
                Kind::Move { gap: self.clips.with_untracked(|clips| clips.gap_at(axis.time_from_x(x))) }
            }
            Kind::Stretch { .. } => {
                let by = axis.time_from_x(x - drag.from_x_px).round();
                Kind::Stretch { duration: (f64::from(drag.clip.duration) + by).clamp(1.0, 10_000.0) as u32 }
            }
        };
        self.drag.set(Some(drag));
    }

    /// Ends the drag and edits the timeline.
    pub fn dropped(self) {
        let Some(Drag { clip, started, outside, kind, .. }) = self.drag.get_untracked() else { return };
        if started && !outside {
            match kind {
                Kind::Move { gap } => self.move_into(FrameId(clip.id), gap),
                Kind::Stretch { duration } => self.stretch(FrameId(clip.id), clip.duration, duration),
            }
        }
        self.drag.set(None);
    }

    /// The marker of the gap into which the dragged clip would go.
    pub fn gap(self) -> AnyView {
        let Some(Drag { started: true, outside: false, kind: Kind::Move { gap }, .. }) = self.drag.get() else {
            return nothing();
        };
        let x = self.clips.with(|clips| self.axis.get().x_from_time(clips.start(gap) as f64));
        let left = format!("{}px", (x + super::SIDE_PX).round() as i64 - 2);
        view! { <span class="strip-gap" style:left=left aria-hidden="true"></span> }.erase()
    }
}
