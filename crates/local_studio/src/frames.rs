//! Frames and their takes.

use crate::{
    LocalStudio,
    problem::{file_problem, problem},
};
use engine::new_key;
use protocol::{Bin, Frame, FrameId, FramePatch, Problem, ProjectId, Take, TakeId};
use std::{io, sync::Arc};
use store::KeyedTake;

impl LocalStudio {
    pub(crate) async fn list_frames(&self, id: ProjectId) -> Result<Vec<Frame>, Problem> {
        self.store.list_frames(id).await.map_err(problem)
    }

    pub(crate) async fn update_frame(&self, id: FrameId, patch: FramePatch) -> Result<Vec<Frame>, Problem> {
        self.store.update_frame(id, patch.validated()?).await.map_err(problem)
    }

    /// Soft-deletes a frame and cancels its open tasks, whose results nobody would see.
    pub(crate) async fn delete_frame(&self, id: FrameId) -> Result<Frame, Problem> {
        let deleted = self.store.delete_frame(id).await.map_err(problem)?;
        self.cancel_tasks(deleted.open_tasks).await;
        Ok(deleted.frame)
    }

    pub(crate) async fn restore_frame(&self, id: FrameId) -> Result<Frame, Problem> {
        self.store.restore_frame(id).await.map_err(problem)
    }

    /// Creates a frame right after this one with a copy of its picture. A file is copied before the rows are written.
    pub(crate) async fn duplicate_frame(&self, id: FrameId) -> Result<Vec<Frame>, Problem> {
        let frame = self.store.get_frame(id).await.map_err(problem)?;
        let no_picture = || Problem::Conflict(format!("frame {id} has no finished picture to copy"));
        let take = self.store.get_take(frame.selected_take_id.ok_or_else(no_picture)?).await.map_err(problem)?;
        let copy = new_key();
        // Objects never change: the copy names the same one.
        if take.picture.as_ref().is_none_or(|picture| picture.object.is_none()) {
            self.copy_file(id, &take, &copy).await?;
        }
        let created = self.store.duplicate_frame(id, take.take.id, copy.clone()).await;
        if created.is_err() {
            self.remove_pictures(std::iter::once(copy.as_str()));
        }
        created.map_err(problem)
    }

    /// Copies the file of a take's picture to another key.
    async fn copy_file(&self, id: FrameId, take: &KeyedTake, copy: &str) -> Result<(), Problem> {
        let media = Arc::clone(self.media());
        let (from, to) = (take.key.clone(), copy.to_owned());
        let copied = tokio::task::spawn_blocking(move || match media.read(&from) {
            // Its folder is there: trying again later does not help.
            Err(error) if error.kind() == io::ErrorKind::NotFound && media.exists().unwrap_or(false) => Ok(false),
            read => media.write_final(&to, &read?).map(|_| true),
        });
        let is_there = copied.await.map_err(|_| Problem::Internal)?.map_err(|error| {
            tracing::error!(frame.id = %id, %error, "a picture could not be copied");
            file_problem(&error, "the server cannot copy the picture")
        })?;
        if !is_there {
            tracing::error!(frame.id = %id, take.id = %take.take.id, "the file of a picture is missing");
            return Err(Problem::Conflict(format!("the file of frame {id}'s picture is missing on the server")));
        }
        Ok(())
    }

    pub(crate) async fn list_takes(&self, id: FrameId) -> Result<Vec<Take>, Problem> {
        self.store.list_takes(id).await.map_err(problem)
    }

    pub(crate) async fn restore_take(&self, id: TakeId) -> Result<Frame, Problem> {
        self.store.restore_take(id).await.map_err(problem)
    }

    pub(crate) async fn get_bin(&self, id: ProjectId) -> Result<Bin, Problem> {
        self.store.get_bin(id).await.map_err(problem)
    }

    pub(crate) async fn delete_take(&self, id: TakeId) -> Result<Frame, Problem> {
        self.store.delete_take(id).await.map_err(problem)
    }
}
