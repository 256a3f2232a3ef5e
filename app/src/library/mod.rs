//! The library's page: the files in the folders of `--models`, with search, favourites and a link that uses one.

mod card;
#[cfg(test)]
pub mod examples;
mod head;
mod page;
mod view;

pub use page::LibraryPage;

use protocol::LibraryKind;

/// A kind's name for users.
pub fn kind_label(kind: LibraryKind) -> &'static str {
    match kind {
        LibraryKind::Checkpoint => "Checkpoint",
        LibraryKind::Lora => "LoRA",
        LibraryKind::Embedding => "Embedding",
        LibraryKind::Vae => "VAE",
        LibraryKind::Upscaler => "Upscaler",
    }
}
