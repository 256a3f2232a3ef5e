//! The library: its list, marks and thumbnails, and the models that the engine offers from it.

mod keeper;
mod loras;
mod offers;
mod usage;

pub use keeper::StoreKeeper;
pub use loras::LibraryLoras;
pub use offers::{BaseOffers, Offering};
pub(crate) use usage::CountedUsage;
use usage::Usage;

use crate::{LocalStudio, problem::problem};
use ::library::{Entry, Preview, Shelf};
use protocol::{Event, LibraryId, LibraryItem, LibraryPage, LibraryPatch, LibraryStatus, Problem};
use std::{io::Read, sync::Arc};
use studio::{LibraryQuery, Thumbnail};

/// Longer side of a thumbnail, pixels.
const THUMBNAIL_PX: u32 = 512;

/// Maximum size of a preview file, bytes.
const PREVIEW_BYTES: u64 = 64 << 20;

impl LocalStudio {
    /// Requires that [`LocalStudio::publish_library`] is called after changes.
    pub(crate) async fn list_library(&self, query: LibraryQuery) -> Result<LibraryPage, Problem> {
        let usage = self.usage().await?;
        let (shelf, loaded) = (self.library.shelf(), self.engine.models().loaded());
        let matching: Vec<_> = shelf.matching(query.kind, &query.search, query.favourites).collect();
        let follows = |entry: &&&Arc<Entry>| query.after.as_deref().is_none_or(|place| Shelf::is_after(entry, place));
        let items = matching.iter().filter(follows).take(query.limit);
        Ok(LibraryPage {
            items: items.map(|entry| presented(entry, &usage, &loaded)).collect(),
            matching: matching.len() as u64,
            status: self.library_status(),
        })
    }

    pub(crate) async fn get_library_item(&self, id: &LibraryId) -> Result<LibraryItem, Problem> {
        let usage = self.usage().await?;
        let entry = self.library.shelf().get(id).cloned().ok_or_else(|| no_file(id))?;
        Ok(presented(&entry, &usage, &self.engine.models().loaded()))
    }

    pub(crate) async fn update_library_item(
        &self,
        id: &LibraryId,
        patch: LibraryPatch,
    ) -> Result<LibraryItem, Problem> {
        let patch = patch.validated()?;
        let marked = self.library.marked(id, &patch).ok_or_else(|| no_file(id))?;
        self.store.mark_library_file(keeper::row(&marked)).await.map_err(problem)?;
        self.library.mark(&marked);
        self.get_library_item(id).await
    }

    pub(crate) async fn get_library_thumbnail(&self, id: &LibraryId) -> Result<Thumbnail, Problem> {
        let entry = self.library.shelf().get(id).cloned().ok_or_else(|| no_file(id))?;
        let Some(preview) = entry.preview.clone() else {
            let usage = self.usage().await?;
            let take = usage.newest(&entry.item).ok_or_else(|| Problem::NotFound(format!("thumbnail of file {id}")))?;
            return Ok(Thumbnail::Take(take));
        };
        let etag = preview.version.clone();
        let why_not = |why: String| Problem::NotFound(format!("thumbnail of file {id}: {why}"));
        let bytes = tokio::task::spawn_blocking(move || read_preview(&preview)).await.map_err(|_| Problem::Internal)?;
        let bytes = bytes.map_err(why_not)?;
        let memory = picture_file::memory_bytes(&bytes).map_err(|error| why_not(error.to_string()))?;
        let share = self.import_memory.share(memory).await;
        let made = tokio::task::spawn_blocking(move || {
            let _held_while_decoding = share;
            picture_file::thumbnail(&bytes, THUMBNAIL_PX)
        });
        let bytes = made.await.map_err(|_| Problem::Internal)?.map_err(|error| why_not(error.to_string()))?;
        Ok(Thumbnail::Jpeg { bytes, etag })
    }

    pub(crate) async fn scan_library(&self) -> Result<LibraryStatus, Problem> {
        if !self.library.has_folders() {
            return Err(Problem::Conflict("the server has no library; start it with --models".to_owned()));
        }
        self.library.request_scan();
        Ok(self.library_status())
    }

    /// After a change of the library: offers its models to the engine, and publishes and returns its state.
    pub async fn publish_library(&self) -> LibraryStatus {
        self.offer_models().await;
        let status = self.library_status();
        self.publish(Event::LibraryUpdated(status.clone()));
        status
    }

    /// The state of the library. A scan has ended only when the engine offers the checkpoints that it found.
    fn library_status(&self) -> LibraryStatus {
        let is_complete = self.engine.models().is_complete();
        let status = self.library.status();
        LibraryStatus { scanning: status.scanning || !is_complete, ..status }
    }
}

fn presented(entry: &Entry, usage: &Usage, loaded: &[String]) -> LibraryItem {
    let item = entry.item.clone();
    let is_loaded = item.kind == protocol::LibraryKind::Checkpoint && loaded.contains(&item.name);
    let thumbnail = item.thumbnail.clone().or_else(|| usage.newest(&item));
    LibraryItem { loaded: is_loaded, takes: usage.takes(&item), thumbnail, ..item }
}

fn no_file(id: &LibraryId) -> Problem {
    Problem::NotFound(format!("file {id} of the library"))
}

fn read_preview(preview: &Preview) -> Result<Vec<u8>, String> {
    let file = regular_file::open(&preview.path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let read = file.take(PREVIEW_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    match read as u64 > PREVIEW_BYTES {
        true => Err(format!("the picture is larger than {} MiB", PREVIEW_BYTES >> 20)),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opening a named pipe blocks until a program writes to it.
    #[cfg(unix)]
    #[test]
    fn a_pipe_is_no_preview() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.preview.png");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
        let error = read_preview(&Preview { path, version: String::new() }).expect_err("refused");
        assert_eq!(error, "is not a regular file");
    }
}
