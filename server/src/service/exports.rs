//! A project's frames as one file.

use super::{StudioServices, problem::problem};
use crate::exports;
use ::export::{Sequence, Still};
use protocol::{Export, ExportFormat, Frame, Problem, ProjectId};
use std::path::PathBuf;

impl StudioServices {
    /// Begins an export of what the frames show now; one that is being made shows its selected take, if it has one.
    pub(super) async fn begin_export(&self, id: ProjectId, format: ExportFormat) -> Result<Export, Problem> {
        exports::check(format)?;
        let project = self.read_project(id).await?;
        let frames = self.list_frames(id).await?;
        let mut stills = Vec::new();
        for frame in &frames {
            if let Some(path) = self.finished_picture(frame).await? {
                stills.push(Still { path, duration: frame.duration });
            }
        }
        if stills.is_empty() {
            return Err(Problem::Conflict("the project has no finished picture to export".to_owned()));
        }
        let skipped = u32::try_from(frames.len() - stills.len()).unwrap_or(u32::MAX);
        let sequence = Sequence { stills, fps: project.fps, width: project.width, height: project.height };
        Ok(self.exports.start(id, &project.name, format, sequence, skipped))
    }

    async fn finished_picture(&self, frame: &Frame) -> Result<Option<PathBuf>, Problem> {
        let Some(take) = frame.selected_take_id else { return Ok(None) };
        let take = self.store.take(take).await.map_err(problem)?;
        self.media().path(&take.key).map(Some).map_err(|_| Problem::Internal)
    }
}
