//! Frames and their takes.

use super::{StudioServices, problem::problem};
use protocol::{Event, Frame, FrameEvent, FrameId, FramePatch, Problem, ProjectId, Take, TakeId};

impl StudioServices {
    pub(super) async fn list_frames(&self, id: ProjectId) -> Result<Vec<Frame>, Problem> {
        self.store.frames(id).await.map_err(problem)
    }

    pub(super) async fn change_frame(&self, id: FrameId, patch: FramePatch) -> Result<Vec<Frame>, Problem> {
        let changed = self.store.update_frame(id, patch.validated()?).await.map_err(problem)?;
        changed.iter().for_each(|frame| self.publish(Event::FrameUpdated(FrameEvent::from(frame.clone()))));
        Ok(changed)
    }

    /// Deletes a frame softly. What is still generated for it is cancelled: nobody would see it.
    pub(super) async fn remove_frame(&self, id: FrameId) -> Result<Frame, Problem> {
        let deleted = self.store.delete_frame(id).await.map_err(problem)?;
        self.publish(Event::FrameDeleted(FrameEvent::from(deleted.frame.clone())));
        self.cancel_each(deleted.open_tasks).await;
        Ok(deleted.frame)
    }

    pub(super) async fn bring_frame_back(&self, id: FrameId) -> Result<Frame, Problem> {
        let frame = self.store.restore_frame(id).await.map_err(problem)?;
        self.publish(Event::FrameCreated(FrameEvent::from(frame.clone())));
        Ok(frame)
    }

    pub(super) async fn list_takes(&self, id: FrameId) -> Result<Vec<Take>, Problem> {
        self.store.takes(id).await.map_err(problem)
    }

    pub(super) async fn remove_take(&self, id: TakeId) -> Result<Frame, Problem> {
        let deleted = self.store.delete_take(id).await.map_err(problem)?;
        if let Err(error) = self.media().remove(&deleted.key) {
            tracing::warn!(take.id = %id, %error, "a deleted take's picture could not be removed; the next start removes it");
        }
        self.publish(Event::FrameUpdated(FrameEvent::from(deleted.frame.clone())));
        Ok(deleted.frame)
    }
}
