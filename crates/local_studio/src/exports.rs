//! Exports: a project's frames, or the steps of a take, as one file.

use crate::export_jobs::{self, Pictures};
use crate::{LocalStudio, problem::problem};
use ::export::{Later, Picture, Sequence, Still};
use engine::Media;
use protocol::{Export, ExportId, Frame, NewExport, Problem, Project, ProjectId};
use std::sync::Arc;
use store::{KeyedTake, Store, StoreError};
use time::OffsetDateTime;

/// Name of the stored setting: the first id that no start of the server has reserved.
const NEXT_ID: &str = "next_export_id";

/// Ids that each start reserves. Exports run one at a time, so no run of the server uses up a million of them.
const RESERVED: i64 = 1 << 20;

impl LocalStudio {
    /// First export id of this start of the server. It is never an id that was used before, even if the clock was set
    /// back, because each start reserves its ids in the database. It is not below the clock in milliseconds either:
    /// earlier versions took ids from the clock, and a database may be restored from a backup.
    ///
    /// # Errors
    /// The database cannot be read, or not written for another reason than its disk.
    pub async fn first_export_id(store: &Store) -> Result<ExportId, StoreError> {
        let clock = i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
        let reserved = store.setting(NEXT_ID).await?.and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
        let first = first_id(reserved, clock);
        match store.put_setting(NEXT_ID, &(first + RESERVED).to_string()).await {
            Ok(()) => {}
            // A server whose disk is full must still start, so that somebody can delete something.
            Err(error @ (StoreError::DiskFull | StoreError::ReadOnly { .. } | StoreError::Disk { .. })) => {
                tracing::warn!(%error, "cannot reserve export ids");
            }
            Err(error) => return Err(error),
        }
        Ok(ExportId(first))
    }

    /// Exports the project's sequence, or how one of its takes formed.
    pub(crate) async fn create_export(&self, id: ProjectId, new: NewExport) -> Result<Export, Problem> {
        export_jobs::check_format(new.format)?;
        let project = self.get_project(id).await?;
        let (name, pictures) = match new.formation {
            Some(of) => (format!("{} take {}", project.name, of.take_id), self.formation(&project, of).await?),
            None => (project.name.clone(), self.sequence(&project).await?),
        };
        self.exports.create_anywhere(id, &name, new.format, pictures).await
    }

    /// The selected take of each frame. Frames without a finished take are skipped and counted.
    async fn sequence(&self, project: &Project) -> Result<Pictures, Problem> {
        let frames = self.list_frames(project.id).await?;
        let (mut stills, mut of_frames) = (Vec::new(), Vec::new());
        for frame in &frames {
            if let Some(picture) = self.finished_picture(frame).await? {
                stills.push(Still { picture, duration: frame.duration });
                of_frames.push((frame.position, frame.id));
            }
        }
        if stills.is_empty() {
            return Err(Problem::Conflict("the project has no finished picture to export".to_owned()));
        }
        let skipped = u32::try_from(frames.len() - stills.len()).unwrap_or(u32::MAX);
        let sequence = Sequence { stills, fps: project.fps, width: project.width, height: project.height };
        Ok(Pictures { sequence, frames: of_frames, skipped, take: None })
    }

    async fn finished_picture(&self, frame: &Frame) -> Result<Option<Picture>, Problem> {
        let Some(take) = frame.selected_take_id else { return Ok(None) };
        let take = self.store.get_take(take).await.map_err(problem)?;
        picture_of(self.media(), &take).map(Some)
    }
}

/// The finished picture of a take: its file, or a function that reads its object when the export comes to it.
pub(crate) fn picture_of(media: &Arc<Media>, take: &KeyedTake) -> Result<Picture, Problem> {
    match take.picture.clone().filter(|picture| picture.object.is_some()) {
        None => media.path(&take.key).map(Picture::File).map_err(|_| Problem::Internal),
        Some(picture) => {
            let (media, key) = (Arc::clone(media), take.key.clone());
            Ok(Picture::Later(Later::new(move || media.read_final(&key, &picture))))
        }
    }
}

/// At most 2^52: browsers represent integers exactly up to 2^53 - 1.
fn first_id(reserved: i64, clock_ms: i64) -> i64 {
    reserved.max(clock_ms).clamp(1, 1 << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_from_start_to_start_whatever_the_clock_says() {
        let mut reserved = 0;
        let mut last = 0;
        // The clock is set back by a year, to 1970, and forward again.
        for clock in [1_795_000_000_000, 1_763_000_000_000, 0, 1_795_000_000_500] {
            let first = first_id(reserved, clock);
            assert!(first > last, "{first} after {last}");
            reserved = first + RESERVED;
            last = reserved - 1;
        }
    }
}
