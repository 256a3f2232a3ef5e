//! What pages are made of.

mod connection_status;
mod deed;
mod delete_dialog;
mod dialog;
mod field;
mod icons;
mod picture;
mod project_card;
mod project_form;
mod rename_dialog;
mod size_picker;
mod theme_switch;
mod top_bar;
mod undo_bar;

pub use deed::Deed;
pub use dialog::Cancel;
pub use field::{Field, Notice};
pub use icons::{Icon, Mark};
pub use picture::Picture;
pub use project_card::ProjectCard;
pub use project_form::ProjectForm;
pub use top_bar::TopBar;
pub use undo_bar::UndoBar;
