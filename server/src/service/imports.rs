//! Pictures from elsewhere onto the timeline.

use super::{
    StudioServices,
    problem::{file_problem, problem},
};
use crate::import;
use engine::{new_key, total_steps};
use protocol::{FieldError, Frame, Problem, ProjectId};
use std::sync::Arc;
use store::{FinishedTake, NewTake};

impl StudioServices {
    /// Makes a frame of a PNG, JPEG or WebP file, at that place or at the end; of an empty file, a white one of the
    /// project's size. The picture first, on the disk, then the rows, then the events, then the answer. Beside the frame, what
    /// the picture does not show of the file.
    pub async fn import_frame(
        &self,
        id: ProjectId,
        position: Option<u32>,
        file: impl AsRef<[u8]> + Send + Sync + 'static,
    ) -> Result<(Frame, Vec<FieldError>), Problem> {
        let project = self.read_project(id).await?;
        let models: Vec<String> = self.engine.models().offers().iter().map(|offer| offer.name.clone()).collect();
        let file = Arc::new(file);
        let share = match (*file).as_ref() {
            [] => None,
            bytes => Some(self.import_memory.share(import::memory_bytes(bytes)?).await),
        };
        // Nothing is written here: a client that hangs up meanwhile leaves nothing behind.
        let decoded = tokio::task::spawn_blocking(move || {
            let _until_it_is_done = share;
            match (*file).as_ref() {
                [] => import::blank(project.width, project.height),
                bytes => import::picture(bytes, &models),
            }
        });
        let mut imported = decoded.await.map_err(|_| Problem::Internal)??;
        let warnings = std::mem::take(&mut imported.warnings);
        let frame = self.whole(move |own| async move { own.put_picture(id, position, imported).await }).await?;
        Ok((frame, warnings))
    }

    async fn put_picture(
        &self,
        id: ProjectId,
        position: Option<u32>,
        imported: import::Imported,
    ) -> Result<Frame, Problem> {
        let import::Imported { png, parameters, seed, .. } = imported;
        let (media, key) = (Arc::clone(self.media()), new_key());
        let to = key.clone();
        let written = tokio::task::spawn_blocking(move || media.write_final(&to, &png));
        let etag = written.await.map_err(|_| Problem::Internal)?.map_err(|error| {
            tracing::error!(project.id = %id, %error, "an imported picture could not be written");
            file_problem(&error, "the server cannot write the picture")
        })?;
        let step = total_steps(&parameters);
        let take = FinishedTake { take: NewTake { key: key.clone(), parameters, seed }, etag, step };
        let made = self.store.import_frame(id, position, take).await;
        if made.is_err() {
            self.remove_pictures(std::iter::once(key.as_str()));
        }
        let frames = made.map_err(problem)?;
        self.tell_new_frame(&frames);
        frames.into_iter().next().ok_or(Problem::Internal)
    }
}
