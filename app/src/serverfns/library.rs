//! The library.

use crate::{drafts::Filter, error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{LibraryId, LibraryItem, LibraryPage};

/// A page of the library's list.
#[server(prefix = "/fn", endpoint = "library/list", input = GetUrl)]
pub async fn list_library(
    /// Which files to list.
    #[server(default)]
    filter: Filter,
) -> Result<Packed<LibraryPage>, AppError> {
    let page = super::services()?.list_library(filter.query()).await;
    super::answer(page.and_then(|page| Packed::new(&page)))
}

/// The LoRA files of these names and the checkpoint, as far as the library has them, each with the name that was asked for.
#[server(prefix = "/fn", endpoint = "library/find")]
pub async fn find_library_items(
    /// Name of a checkpoint.
    #[server(default)]
    model: String,
    /// Names of LoRA files; more than the form and the prompt of a generation can have are ignored.
    #[server(default)]
    loras: Vec<String>,
) -> Result<Packed<Vec<(String, LibraryItem)>>, AppError> {
    use protocol::LibraryKind;
    let services = super::services()?;
    let loras = loras.into_iter().take(2 * generation::limits::LORAS).map(|name| (LibraryKind::Lora, name));
    let mut found = Vec::new();
    for (kind, name) in loras.chain([(LibraryKind::Checkpoint, model)]) {
        let item = super::answer(services.find_library_item(kind, name.clone()).await)?;
        found.extend(item.map(|item| (name, item)));
    }
    super::answer(Packed::new(&found))
}

/// The distillation that the server has recognised, without a mark of the user.
pub const RECOGNISED: &str = "recognised";

/// Starts a scan of the folders.
#[server(prefix = "/fn", endpoint = "library/scan")]
pub async fn scan_library() -> Result<(), AppError> {
    super::answer(super::services()?.scan_library().await.map(|_| ()))
}

/// Changes the marks of a file that are given: whether it is a favourite, and how it was distilled.
#[server(prefix = "/fn", endpoint = "library/update")]
pub async fn update_library_item(
    /// Id of the file.
    id: LibraryId,
    /// Whether it is a favourite.
    #[server(default)]
    favourite: Option<bool>,
    /// Name of the distillation; [`RECOGNISED`], or `none` for no distillation.
    #[server(default)]
    distillation: Option<String>,
) -> Result<Packed<LibraryItem>, AppError> {
    // An empty text would be read as an absent one.
    let distillation = distillation.map(|name| if name == RECOGNISED { String::new() } else { name });
    let patch = protocol::LibraryPatch { favourite, distillation, title: None };
    let updated = match patch.validated() {
        Ok(patch) => super::services()?.update_library_item(id, patch).await,
        Err(problem) => Err(problem),
    };
    super::answer(updated.and_then(|item| Packed::new(&item)))
}
