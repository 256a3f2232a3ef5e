//! Zoom and pan of the picture by wheel, pointer, buttons and keys.

use crate::{
    browser,
    studio::{
        Store,
        zoom::{Sides, Zoom},
    },
    view::subscribe,
};
use leptos::{ev, prelude::*};

const STAGE: &str = "#stage";
/// The picture and its overlays: a step, onion skin, compared take.
const PICTURES: &str = ".viewer-picture";
/// The style properties that the zoom sets.
const OF_ZOOM: [&str; 6] = ["inset", "padding", "width", "height", "translate", "image-rendering"];

/// The zoom of the viewer (none: the picture is fitted), and the position of a dragging pointer.
#[derive(Clone, Copy)]
pub struct Stage {
    store: Store,
    zoom: RwSignal<Option<Zoom>>,
    drag: RwSignal<Option<(i32, i32)>>,
}

impl Stage {
    /// A stage with a fitted picture.
    pub fn new(store: Store) -> Self {
        let stage = Self { store, zoom: RwSignal::new(None), drag: RwSignal::new(None) };
        Effect::new(move |_| stage.show());
        // Overlays are added to the page in the same turn; the next animation frame has them.
        Effect::new(move |_| {
            store.compared.track();
            store.scrubbed.track();
            store.onion.track();
            store.playing.track();
            subscribe(store.current);
            request_animation_frame(move || untrack(|| stage.show()));
        });
        stage
    }

    /// Whether the picture is fitted.
    pub fn fits(self) -> bool {
        self.zoom.with(Option::is_none)
    }

    /// The scale in percent; none while the picture is fitted.
    pub fn percent(self) -> Option<u32> {
        self.zoom.get().map(|zoom| (zoom.scale * 100.0 + 0.5) as u32)
    }

    /// Fits the picture into the viewer.
    pub fn fit(self) {
        self.zoom.set(None);
    }

    /// Shows one pixel of the picture as one CSS pixel.
    pub fn actual_size(self) {
        if self.sides().is_some() {
            self.zoom.set(Some(Zoom::ACTUAL));
        }
    }

    /// Enlarges the picture around the middle of the viewer.
    pub fn zoom_in(self) {
        self.scale(1.5, (0.0, 0.0));
    }

    /// Reduces the picture around the middle of the viewer.
    pub fn zoom_out(self) {
        self.scale(1.0 / 1.5, (0.0, 0.0));
    }

    /// Zooms around the pointer.
    pub fn wheel(self, event: &ev::WheelEvent) {
        let Some(stage) = browser::find(STAGE) else { return };
        event.prevent_default();
        let area = browser::area(&stage);
        let pointer = (
            f64::from(event.client_x()) - area.left - area.width / 2.0,
            f64::from(event.client_y()) - area.top - area.height / 2.0,
        );
        self.scale(if event.delta_y() < 0.0 { 1.2 } else { 1.0 / 1.2 }, pointer);
    }

    /// Starts to drag a scaled picture.
    pub fn down(self, event: &ev::PointerEvent) {
        if self.zoom.with_untracked(Option::is_some)
            && let Some(stage) = browser::find(STAGE)
        {
            browser::capture(&stage, event.pointer_id());
            self.drag.set(Some((event.client_x(), event.client_y())));
        }
    }

    /// Pans the picture with the pointer.
    pub fn moved(self, event: &ev::PointerEvent) {
        let (Some(before), Some(zoom)) = (self.drag.get_untracked(), self.zoom.get_untracked()) else { return };
        let now = (event.client_x(), event.client_y());
        let by = (f64::from(now.0 - before.0), f64::from(now.1 - before.1));
        if let Some((picture, viewer)) = self.sides() {
            self.drag.set(Some(now));
            self.zoom.set(Some(zoom.panned(by, picture, viewer)));
        }
    }

    /// Ends the drag.
    pub fn up(self) {
        self.drag.set(None);
    }

    fn scale(self, factor: f64, pointer: (f64, f64)) {
        let Some((picture, viewer)) = self.sides() else { return };
        let zoom = self.zoom.get_untracked().unwrap_or_else(|| Zoom::fit(picture, viewer));
        self.zoom.set(Some(zoom.at(factor, pointer).panned((0.0, 0.0), picture, viewer)));
    }

    fn sides(self) -> Option<(Sides, Sides)> {
        let area = browser::area(&browser::find(STAGE)?);
        let picture = self
            .store
            .seen
            .with_untracked(|frame| frame.as_ref().map(|frame| (f64::from(frame.width), f64::from(frame.height))))?;
        Some((picture, (area.width, area.height)))
    }

    /// Applies the zoom by CSSOM, which a content security policy without inline styles allows.
    fn show(self) {
        let zoom = self.zoom.get();
        let size = self.store.seen.with(|frame| frame.as_ref().map(|frame| (frame.width, frame.height)));
        let Some((width, height)) = size else { return };
        let pictures = browser::find_all(PICTURES);
        let set = |property, value: &str| pictures.iter().for_each(|picture| browser::style(picture, property, value));
        let Some(Zoom { scale, x, y }) = zoom else { return OF_ZOOM.iter().for_each(|property| set(property, "")) };
        let (width, height) = (f64::from(width) * scale, f64::from(height) * scale);
        set("inset", "50% auto auto 50%");
        set("padding", "0");
        set("width", &px(width));
        set("height", &px(height));
        set("translate", &format!("{} {}", px(x - width / 2.0), px(y - height / 2.0)));
        let exact = zoom.is_some_and(Zoom::is_pixel_exact);
        set("image-rendering", if exact && self.is_finished() { "pixelated" } else { "auto" });
    }

    /// Previews are enlarged from the latent: they have no exact pixels to show.
    fn is_finished(self) -> bool {
        self.store.seen.with(|frame| frame.as_ref().is_some_and(|frame| !frame.status.is_generating()))
    }
}

/// Whole pixels: aligned to the grid, and the WASM needs no float formatting.
fn px(length: f64) -> String {
    format!("{}px", length.round() as i64)
}
