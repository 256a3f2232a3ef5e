//! Imports: a picture file becomes a frame.

use crate::picture;
use crate::{
    LocalStudio,
    problem::{file_problem, problem},
};
use engine::{new_key, total_steps};
use protocol::{FieldError, Frame, Problem, ProjectId};
use std::sync::Arc;
use store::{FinishedTake, NewTake};
use studio::FileBytes;

/// No worker made the picture; every completed task has an attempt.
const ATTEMPT: u32 = 1;

impl LocalStudio {
    /// Decodes the file, then stores it in this order: the picture, the rows, the events.
    pub(crate) async fn import_frame(
        &self,
        id: ProjectId,
        position: Option<u32>,
        file: FileBytes,
    ) -> Result<(Frame, Vec<FieldError>), Problem> {
        let project = self.get_project(id).await?;
        let models: Vec<String> = self.engine.models().offers().iter().map(|offer| offer.name.clone()).collect();
        let memory = match (*file).as_ref() {
            [] => None,
            bytes => Some(self.import_memory.share(picture::memory_bytes(bytes)?).await),
        };
        // Nothing is written here, so a client that disconnects now leaves nothing behind.
        let decoded = tokio::task::spawn_blocking(move || {
            let _held_while_decoding = memory;
            match (*file).as_ref() {
                [] => picture::blank(project.width, project.height),
                bytes => picture::picture(bytes, &models),
            }
        });
        let mut imported = decoded.await.map_err(|_| Problem::Internal)??;
        let warnings = std::mem::take(&mut imported.warnings);
        let frame =
            self.to_completion(move |studio| async move { studio.insert_frame(id, position, imported).await }).await?;
        Ok((frame, warnings))
    }

    async fn insert_frame(
        &self,
        id: ProjectId,
        position: Option<u32>,
        imported: picture::Imported,
    ) -> Result<Frame, Problem> {
        let picture::Imported { png, parameters, seed, .. } = imported;
        let (media, key) = (Arc::clone(self.media()), new_key());
        let to = key.clone();
        let written = tokio::task::spawn_blocking(move || media.store_final(&to, ATTEMPT, png));
        let picture = written.await.map_err(|_| Problem::Internal)?.map_err(|error| {
            tracing::error!(project.id = %id, %error, "an imported picture could not be written");
            file_problem(&error, "the server cannot write the picture")
        })?;
        let step = total_steps(&parameters);
        let take = FinishedTake { take: NewTake { key: key.clone(), parameters, seed }, picture, step };
        let made = self.store.import_frame(id, position, take).await;
        if made.is_err() {
            self.remove_pictures(std::iter::once(key.as_str()));
        }
        let frames = made.map_err(problem)?;
        frames.into_iter().next().ok_or(Problem::Internal)
    }
}
