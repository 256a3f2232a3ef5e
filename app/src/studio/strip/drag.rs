//! Dragging: a clip to another place, or its edge to another duration.

use super::{STRIP, Strip};
use crate::{browser, view::nothing};
use leptos::{ev, prelude::*};
use protocol::FrameId;
use timeline::Clip;

/// A clip under a pointer that is held down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drag {
    clip: Clip,
    from_x_px: f64,
    /// Whether the pointer has gone far enough to mean it.
    meant: bool,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// To this gap between clips.
    Move { gap: usize },
    /// To this duration.
    Stretch { duration: u32 },
}

/// A hand that only clicks moves less than this.
const MEANT_PX: f64 = 5.0;

impl Drag {
    /// The clip with the duration that its edge is dragged to.
    pub fn stretched(&self) -> Option<Clip> {
        match self.what {
            What::Stretch { duration } => Some(Clip { duration, ..self.clip }),
            What::Move { .. } => None,
        }
    }
}

impl Strip {
    /// A finger scrolls the strip; a mouse or a pen drags.
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
        let what = if target.has_attribute("data-edge") {
            What::Stretch { duration: clip.duration }
        } else {
            What::Move { gap: place }
        };
        self.drag.set(Some(Drag { clip, from_x_px: self.x_of(event), meant: false, what }));
    }

    /// Where a pointer is on the timeline.
    pub(super) fn x_of(self, event: &ev::MouseEvent) -> f64 {
        let left = browser::find(STRIP).map(|strip| browser::area(&strip).left).unwrap_or_default();
        f64::from(event.client_x()) - left - super::SIDE_PX + self.seen.get_untracked().0
    }

    /// The pointer moves.
    pub fn moved(self, event: &ev::PointerEvent) {
        let Some(mut drag) = self.drag.get_untracked() else { return };
        // Let go outside, before the pointer was captured.
        if event.buttons() & 1 == 0 {
            return self.drag.set(None);
        }
        let x = self.x_of(event);
        if !drag.meant {
            if (x - drag.from_x_px).abs() < MEANT_PX {
                return;
            }
            drag.meant = true;
            if let Some(strip) = browser::find(STRIP) {
                browser::capture(&strip, event.pointer_id());
            }
        }
        let axis = self.axis.get_untracked();
        drag.what = match drag.what {
            What::Move { .. } => {
                What::Move { gap: self.clips.with_untracked(|clips| clips.gap_at(axis.time_from_x(x))) }
            }
            What::Stretch { .. } => {
                let by = axis.time_from_x(x - drag.from_x_px).round();
                What::Stretch { duration: (f64::from(drag.clip.duration) + by).clamp(1.0, 10_000.0) as u32 }
            }
        };
        self.drag.set(Some(drag));
    }

    /// Let go: what was meant becomes an edit.
    pub fn dropped(self) {
        let Some(Drag { clip, meant, what, .. }) = self.drag.get_untracked() else { return };
        if meant {
            match what {
                What::Move { gap } => self.move_into(FrameId(clip.id), gap),
                What::Stretch { duration } => self.stretch(FrameId(clip.id), clip.duration, duration),
            }
        }
        self.drag.set(None);
    }

    /// The mark between two clips, where the dragged one would go.
    pub fn gap(self) -> AnyView {
        let Some(Drag { meant: true, what: What::Move { gap }, .. }) = self.drag.get() else { return nothing() };
        let x = self.clips.with(|clips| self.axis.get().x_from_time(clips.start(gap) as f64));
        let left = format!("{}px", (x + super::SIDE_PX).round() as i64 - 2);
        view! { <span class="strip-gap" style:left=left aria-hidden="true"></span> }.into_any()
    }
}
