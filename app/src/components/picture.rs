//! A project's picture, or a placeholder.

use crate::view::Erase;
use leptos::prelude::*;

/// The picture at `src`; without one, crop marks in the project's aspect ratio.
///
/// Width and height are the project's, in pixels; they reserve the space while the picture loads.
pub fn picture(src: Option<String>, width: u32, height: u32) -> AnyView {
    match src {
        // Decorative: the project's name is beside it, and the picture has no description.
        Some(src) => {
            let (width, height) = (width.to_string(), height.to_string());
            view! { <img class="picture" src=src alt="" width=width height=height decoding="async"/> }.erase()
        }
        None => placeholder(width, height),
    }
}

fn placeholder(width: u32, height: u32) -> AnyView {
    let short = width.min(height);
    let (mark, dot) = (short / 9, (short / 56).max(1));
    let (right, bottom) = (width - mark, height - mark);
    let corners = format!(
        "M0 {mark}V0H{mark}M{right} 0H{width}V{mark}M{width} {bottom}V{height}H{right}M{mark} {height}H0V{bottom}"
    );
    let line = format!("M{} {}h{}", width / 2 - 4 * dot, height / 2, 6 * dot);
    let (cx, cy) = ((width / 2 + 4 * dot).to_string(), (height / 2).to_string());
    view! {
        <svg class="picture placeholder" viewBox=format!("0 0 {width} {height}") aria-hidden="true">
            <rect class="placeholder-area" width=width.to_string() height=height.to_string()/>
            <path class="placeholder-marks" d=corners/>
            <path class="placeholder-marks" d=line/>
            <circle class="placeholder-ember" cx=cx cy=cy r=dot.to_string()/>
        </svg>
    }
    .erase()
}
