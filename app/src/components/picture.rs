//! A project's picture, or the place where it will be.

use leptos::{either::Either, prelude::*};

/// The picture at `src`; without one, a frame with crop marks in the project's aspect ratio.
///
/// The sides are the project's, in pixels, so that the place is kept while the picture loads.
#[component]
pub fn Picture(
    /// URL path of the picture.
    src: Option<String>,
    /// Pixels.
    width: u32,
    /// Pixels.
    height: u32,
) -> impl IntoView {
    match src {
        // Decoration beside the project's name: nothing is known of what it shows.
        Some(src) => {
            Either::Left(view! { <img class="picture" src=src alt="" width=width height=height decoding="async"/> })
        }
        None => Either::Right(view! { <Placeholder width height/> }),
    }
}

#[component]
fn Placeholder(width: u32, height: u32) -> impl IntoView {
    let short = width.min(height);
    let (mark, dot) = (short / 9, (short / 56).max(1));
    let (right, bottom) = (width - mark, height - mark);
    let corners = format!(
        "M0 {mark}V0H{mark}M{right} 0H{width}V{mark}M{width} {bottom}V{height}H{right}M{mark} {height}H0V{bottom}"
    );
    let line = format!("M{} {}h{}", width / 2 - 4 * dot, height / 2, 6 * dot);
    view! {
        <svg class="picture placeholder" viewBox=format!("0 0 {width} {height}") aria-hidden="true">
            <rect class="placeholder-area" width=width height=height/>
            <path class="placeholder-marks" d=corners/>
            <path class="placeholder-marks" d=line/>
            <circle class="placeholder-ember" cx=width / 2 + 4 * dot cy=height / 2 r=dot/>
        </svg>
    }
}
