//! Storing the finished picture of an attempt: as a file, or as an object.
//!
//! While the object store is away a picture waits in memory and in the spool. Its lease is renewed meanwhile, and the task stays
//! this server's. A process that is stopped, and gets the task again, takes the picture from the spool.

use super::{
    attempt::Attempt,
    generate::Finished,
    unwritten::{Unwritten, write_if_open},
};
use crate::traces::store_object;
use ::pictures::{Pictures, etag_of};
use bytes::Bytes;
use std::{thread, time::Duration};
use store::{FinalPicture, TraceKind};

/// With this many pictures that wait for the object store, nothing is begun.
const MOST_WAITING: usize = 2;

/// How often a picture that is being stored looks whether its attempt is over.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Whether so many finished pictures wait for the object store that none is begun.
pub(super) fn is_spool_full(pictures: Option<&Pictures>) -> bool {
    pictures.is_some_and(|pictures| pictures.spool().waiting() >= MOST_WAITING)
}

impl Attempt<'_> {
    /// Stores the finished picture, and beside it its trace where that is an object: both are there when the task is completed. A
    /// trace that cannot be stored is lost, and the picture is not.
    pub(super) fn store_finished(&self, picture: &Finished) -> Result<Option<FinalPicture>, Unwritten> {
        if self.shared.media.pictures().is_none() {
            return self.store_picture(picture);
        }
        let (stored, traced) = thread::scope(|scope| {
            let trace = thread::Builder::new().name("trace".to_owned());
            let trace = trace.spawn_scoped(scope, || self.store_trace(picture.step));
            let stored = self.store_picture(picture);
            let traced = trace.ok().and_then(|trace| trace.join().ok());
            (stored, traced.is_some_and(|traced| traced.is_ok()))
        });
        // The object store was away before it took the picture.
        if !traced && matches!(stored, Ok(Some(_))) {
            self.store_trace_if_possible(picture.step);
        }
        stored
    }

    /// Stores the trace of the picture as far as it is formed, where traces are objects.
    fn store_trace(&self, step: u32) -> Result<(), Unwritten> {
        let (media, slot) = (&self.shared.media, self.slot);
        if media.pictures().is_none() {
            return Ok(());
        }
        let Some(bytes) = media.read_forming_trace(&slot.key)? else { return Ok(()) };
        Ok(store_object(media, slot, TraceKind::Trace, step, bytes.into()).map(drop)?)
    }

    /// As [`Attempt::store_trace`]; a trace that cannot be stored is logged.
    pub(super) fn store_trace_if_possible(&self, step: u32) {
        if let Err(error) = self.store_trace(step) {
            tracing::warn!(task.id = %self.task.id, %error, "the trace of a picture could not be stored: its steps so far cannot be looked at");
        }
    }

    /// Stores the picture, retrying while that is refused. None if the attempt is over.
    fn store_picture(&self, picture: &Finished) -> Result<Option<FinalPicture>, Unwritten> {
        let media = &self.shared.media;
        let Some(pictures) = media.pictures() else {
            let write = || media.write_final(&self.slot.key, &picture.png).map(FinalPicture::from);
            return self.retry(|| write_if_open(self.slot, write), Unwritten::waits_for, || self.is_over());
        };
        let png = Bytes::copy_from_slice(&picture.png);
        let mut waiting = None;
        let put = || {
            let put = self.put(png.clone());
            if put.is_err() && waiting.is_none() {
                waiting = Some(pictures.spool().wait());
                self.spool(pictures, picture);
            }
            put
        };
        let stored = self.retry(put, Unwritten::waits_for, || self.is_over());
        // One that is over because this process stops is taken from the spool by the next attempt.
        if !self.shared.control.is_stopping() && !matches!(stored, Ok(Some(_))) {
            pictures.spool().remove(&self.slot.key);
        }
        stored
    }

    /// Puts the object. Another attempt's is never replaced, so this need not wait for the lease, nor hold the slot: a
    /// cancellation does not wait for the object store.
    fn put(&self, png: Bytes) -> Result<Option<FinalPicture>, Unwritten> {
        self.block_on(|| async {
            tokio::select! {
                put = self.shared.media.put_final(&self.slot.key, self.task.attempt, png) => put.transpose().map_err(Unwritten::from),
                () = self.until_over() => Ok(None),
            }
        })
    }

    async fn until_over(&self) {
        while !self.is_over() {
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
    }

    fn spool(&self, pictures: &Pictures, picture: &Finished) {
        let kept = pictures.spool().keep(&self.slot.key, &self.recipe(), picture.step, &picture.png);
        if let Err(error) = kept {
            tracing::warn!(task.id = %self.task.id, %error, "a finished picture waits in memory only: the spool cannot be written");
        }
    }

    /// The picture of an earlier attempt that could not be stored, if this task makes the same one.
    pub(super) fn spooled(&self) -> Option<Finished> {
        let found = self.shared.media.pictures()?.spool().find(&self.slot.key, &self.recipe())?;
        tracing::info!(task.id = %self.task.id, step = found.step, "an earlier attempt has finished this picture");
        Some(Finished { png: found.png, step: found.step, costs: None })
    }

    /// Removes the picture from the spool: it is stored.
    pub(super) fn remove_spooled(&self) {
        if let Some(pictures) = self.shared.media.pictures() {
            pictures.spool().remove(&self.slot.key);
        }
    }

    /// A hash of everything that determines the picture.
    fn recipe(&self) -> String {
        etag_of(&serde_json::to_vec(&(&self.task.parameters, self.task.seed)).unwrap_or_default())
    }
}
