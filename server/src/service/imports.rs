//! Pictures from elsewhere onto the timeline.

use super::{
    StudioServices,
    problem::{file_problem, problem},
};
use crate::import;
use engine::{new_key, total_steps};
use protocol::{Frame, Problem, ProjectId};
use std::sync::Arc;
use store::{FinishedTake, NewTake};

impl StudioServices {
    /// Makes a frame of a PNG, JPEG or WebP file, at that place or at the end; of an empty file, a white one of the
    /// project's size. The picture first, on the disk, then the rows, then the events, then the answer.
    pub async fn import_frame(&self, id: ProjectId, position: Option<u32>, file: Vec<u8>) -> Result<Frame, Problem> {
        let project = self.read_project(id).await?;
        let models: Vec<String> = self.engine.models().offers().iter().map(|offer| offer.name.clone()).collect();
        let turn = Arc::clone(&self.import_turn).acquire_owned().await.map_err(|_| Problem::Internal)?;
        // Nothing is written here: a client that hangs up meanwhile leaves nothing behind.
        let decoded = tokio::task::spawn_blocking(move || {
            let _until_it_is_done = turn;
            match file.is_empty() {
                true => import::blank(project.width, project.height),
                false => import::picture(&file, &models),
            }
        });
        let imported = decoded.await.map_err(|_| Problem::Internal)??;
        self.whole(move |own| async move { own.put_picture(id, position, imported).await }).await
    }

    async fn put_picture(
        &self,
        id: ProjectId,
        position: Option<u32>,
        imported: import::Imported,
    ) -> Result<Frame, Problem> {
        let import::Imported { png, parameters, seed } = imported;
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
