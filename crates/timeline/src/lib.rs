//! A timeline without its painting: clips of whole durations one after the other, the axis between time and
//! pixels, what of it is visible, where a play cursor stands, and edits that can be taken back.
//!
//! Time is counted in frames of the project's rate; pixels are CSS pixels from the timeline's start.

mod axis;
mod clips;
mod edit;
mod play;
mod selection;

pub use axis::Axis;
pub use clips::{Clip, Clips};
pub use edit::{Edit, History};
pub use play::{Play, Speed};
pub use selection::Selection;
