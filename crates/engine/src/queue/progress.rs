//! What others see of an attempt while it runs: its steps and previews.
//!
//! Alone, a preview is a file, which is written before its step is published. Beside other servers both go to the database
//! first, in one statement, and then to the clients.

use super::attempt::Attempt;
use crate::{
    media::Formed,
    previews::{DoneStep, Show},
    slot::Progress,
    total_steps,
};
use protocol::{Event, GenerationIds, GenerationProgress, TaskId, media_path};
use std::{io, time::Duration};
use store::NewPreview;

/// Most bytes of previews that an attempt stores in a second for other servers: those of TAESD at 1024 x 1024 four times, smaller
/// ones after each step.
const STORED_BYTES_PER_S: f64 = 2e6;

impl Show for Attempt<'_> {
    fn task_id(&self) -> TaskId {
        self.task.id
    }

    fn preview(&self, step: u32, png: Vec<u8>) -> io::Result<Duration> {
        if let Some(cluster) = &self.shared.cluster {
            let pause = Duration::from_secs_f64(png.len() as f64 / STORED_BYTES_PER_S);
            let etag = ::pictures::etag_of(&png);
            cluster.reports.add_preview(self.slot, NewPreview { step, etag, png });
            return Ok(pause);
        }
        let formed = Formed { attempt: self.task.attempt, step };
        let write = || self.shared.media.write_preview_of(&self.slot.key, &png, formed);
        self.slot.if_open(write).unwrap_or(Ok(())).map(|()| Duration::ZERO)
    }

    fn step(&self, done: DoneStep) {
        let (attempt, eta_ms) = (self.task.attempt, Some(done.eta_ms));
        match &self.shared.cluster {
            Some(_) => self.publish_progress(Progress { attempt, step: done.step, eta_ms, waiting_for: None }),
            None => self.slot.advance(done.step, eta_ms, |progress| self.publish_progress(progress)),
        }
    }
}

impl Attempt<'_> {
    pub(super) fn publish_progress(&self, progress: Progress) {
        let event = GenerationProgress {
            of: self.ids(),
            step: progress.step,
            total_steps: total_steps(&self.task.parameters),
            preview_path: media_path(&self.slot.key),
            eta_ms: progress.eta_ms,
            waiting_for: progress.waiting_for.map(str::to_owned),
        };
        match &self.shared.cluster {
            Some(cluster) => cluster.reports.add(self.slot, event),
            None => self.shared.announce.announce(Event::GenerationProgress(event)),
        }
    }

    /// Waits until all steps are reported: none of them may be told after the end of the attempt.
    pub(super) fn end_reports(&self) {
        if let Some(cluster) = &self.shared.cluster {
            self.block_on(|| cluster.reports.end(self.slot));
        }
    }

    fn ids(&self) -> GenerationIds {
        GenerationIds {
            task_id: self.task.id,
            frame_id: self.task.frame_id,
            project_id: self.task.project_id,
            take_id: self.take_id,
            attempt: self.task.attempt,
        }
    }
}
