//! A model of a timeline, without rendering: consecutive clips with whole durations, the axis between time and pixels,
//! the visible range, the play cursor, and edits with undo.
//!
//! Time is counted in frames of the project's rate. Positions are CSS pixels from the timeline's start.

mod axis;
mod clips;
mod edit;
mod play;
mod selection;

pub use axis::Axis;
pub use clips::{Clip, Clips};
pub use edit::{Edit, History, TakeOfClip};
pub use play::{Play, Speed};
pub use selection::Selection;
