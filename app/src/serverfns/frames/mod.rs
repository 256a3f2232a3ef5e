//! Frames.

mod delete;
mod duplicate;
mod restore;
mod takes;
mod update;

pub use delete::{DeleteFrame, delete_frame};
pub use duplicate::{DuplicateFrame, duplicate_frame};
pub use restore::{RestoreFrame, restore_frame};
pub use takes::{FrameTakes, frame_takes};
pub use update::{UpdateFrame, update_frame};
