//! Components of the pages.

mod connection_status;
mod delete_dialog;
mod dialog;
mod picture;
mod project_card;
mod rename_dialog;
mod theme_switch;
mod top_bar;
mod undo_bar;

pub use dialog::Cancel;
pub use picture::picture;
pub use project_card::{ProjectCard, cover_url};
pub use top_bar::TopBar;
pub use undo_bar::UndoBar;
