//! The panels at both sides of the viewer: their width, and whether they are folded. Kept in the browser's storage.

use crate::act::Act;
use crate::{
    browser,
    icons::Icon,
    view::{Erase, words},
};
use leptos::{ev, prelude::*, wasm_bindgen::JsCast, web_sys::Element};

/// Least and most width, CSS pixels: a form's two fields side by side, and half of a small window.
const LEAST_PX: u32 = 240;
const MOST_PX: u32 = 560;
/// Change of the width for each key press, CSS pixels.
const KEY_PX: u32 = 16;

/// The two panels.
#[derive(Clone, Copy)]
pub struct SidePanels {
    /// The generation form.
    pub left: SidePanel,
    /// The inspector.
    pub right: SidePanel,
}

/// One panel.
#[derive(Clone, Copy)]
pub struct SidePanel {
    name: &'static str,
    label: &'static str,
    at_left: bool,
    width_px: RwSignal<u32>,
    folded: RwSignal<bool>,
    held: RwSignal<bool>,
}

impl SidePanels {
    /// Both panels, with the widths that the browser's storage has.
    pub fn new() -> Self {
        Self {
            left: SidePanel::new("maker", "Form", true, 304),
            right: SidePanel::new("inspector", "Frame", false, 272),
        }
    }
}

impl SidePanel {
    fn new(name: &'static str, label: &'static str, at_left: bool, width_px: u32) -> Self {
        let (width_px, folded) = (RwSignal::new(width_px), RwSignal::new(false));
        let pane = Self { name, label, at_left, width_px, folded, held: RwSignal::new(false) };
        Effect::new(move |before: Option<()>| {
            if before.is_none() {
                let kept = browser::recall(&format!("pane-{name}")).unwrap_or_default();
                let (width, is_folded) = read(&kept);
                if let Some(width) = width {
                    width_px.set(width);
                }
                folded.set(is_folded);
            }
            if let Some(main) = browser::find("#main") {
                let width = if folded.get() { 0 } else { width_px.get() };
                browser::style(&main, &format!("--{name}-width"), &format!("{width}px"));
            }
        });
        pane
    }

    /// Folds or unfolds the panel.
    pub fn fold(self) {
        self.folded.update(|folded| *folded = !*folded);
        self.keep();
    }

    fn set(self, width_px: u32) {
        self.width_px.set(width_px.clamp(LEAST_PX, MOST_PX));
    }

    fn keep(self) {
        let (width, folded) = (self.width_px.get_untracked(), self.folded.get_untracked());
        browser::remember(&format!("pane-{}", self.name), &format!("{width}{}", if folded { " folded" } else { "" }));
    }

    /// Whether the panel is folded.
    pub fn is_folded(self) -> bool {
        self.folded.get()
    }

    /// The button in the top bar that folds and unfolds the panel.
    pub fn toggle(self) -> AnyView {
        let shown = words(move || (!self.folded.get()).to_string());
        let (act, icon) = if self.at_left { (Act::FoldForm, Icon::Left) } else { (Act::FoldInspector, Icon::Right) };
        view! {
            <button class="icon-button toggle pane-toggle" type="button" data-act=act.as_str() aria-label=self.label title=self.label aria-pressed=shown>
                {icon.view()}
            </button>
        }
        .erase()
    }

    /// The edge that resizes the panel, by pointer or arrow keys.
    pub fn edge(self) -> AnyView {
        let width = words(move || self.width_px.get().to_string());
        let class = words(move || {
            let folded = if self.folded.get() { " pane-edge-folded" } else { "" };
            format!("pane-edge pane-edge-{}{folded}", self.name)
        });
        let down = move |event: ev::PointerEvent| {
            if let Some(edge) = event.current_target().and_then(|target| target.dyn_into::<Element>().ok()) {
                browser::capture(&edge, event.pointer_id());
            }
            event.prevent_default();
            self.held.set(true);
        };
        let moved = move |event: ev::PointerEvent| {
            if self.held.get_untracked()
                && let Some(main) = browser::find("#main")
            {
                let (area, x) = (browser::area(&main), f64::from(event.client_x()));
                let width = if self.at_left { x - area.left } else { area.left + area.width - x };
                self.set(width.max(0.0) as u32);
            }
        };
        let up = move |_| {
            self.held.set(false);
            self.keep();
        };
        let key = move |event: ev::KeyboardEvent| {
            let now = self.width_px.get_untracked();
            let wider = if self.at_left { "ArrowRight" } else { "ArrowLeft" };
            match event.key().as_str() {
                "ArrowLeft" | "ArrowRight" if event.key() == wider => self.set(now + KEY_PX),
                "ArrowLeft" | "ArrowRight" => self.set(now.saturating_sub(KEY_PX)),
                "Home" => self.set(LEAST_PX),
                "End" => self.set(MOST_PX),
                _ => return,
            }
            event.prevent_default();
            self.keep();
        };
        view! {
            <div
                class=class
                role="separator"
                tabindex="0"
                aria-orientation="vertical"
                aria-label=format!("Width of the panel {}", self.label)
                aria-valuemin=LEAST_PX
                aria-valuemax=MOST_PX
                aria-valuenow=width
                on:pointerdown=down
                on:pointermove=moved
                on:pointerup=up
                on:keydown=key
            ></div>
        }
        .erase()
    }
}

/// Parses the stored text: a width (none if it is not a number), and whether the panel is folded.
fn read(kept: &str) -> (Option<u32>, bool) {
    let mut words = kept.split(' ');
    let width = words.next().and_then(|width| width.parse().ok());
    (width.map(|width: u32| width.clamp(LEAST_PX, MOST_PX)), words.next() == Some("folded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_width_is_clamped() {
        assert_eq!(read("300"), (Some(300), false));
        assert_eq!(read("300 folded"), (Some(300), true));
        assert_eq!(read("7"), (Some(LEAST_PX), false));
        assert_eq!(read("99999 folded"), (Some(MOST_PX), true));
        assert_eq!(read(""), (None, false));
        assert_eq!(read("wide"), (None, false));
    }
}
