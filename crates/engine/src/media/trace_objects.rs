//! Traces and saved states as objects of an object store.
//!
//! While a picture forms its trace is a file of the server that makes it, in the folder of traces. It is put as one object when the
//! picture is finished, paused or given back. An object is stored before a row names it.

use super::{Media, PictureBytes, objects::Objects};
use ::pictures::{ObjectError, Opened, etag_in, etag_of, trace_object};
use bytes::Bytes;
use std::{
    fs,
    io::{self, Cursor},
};
use store::{Run, Store, StoreError, TraceKind, TraceObject};
use tokio::runtime::Handle;
use trace::Trace;

/// Why a trace or a saved state is not stored.
#[derive(Debug, thiserror::Error)]
pub enum TraceUnstored {
    /// The object store.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// Its row could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Media {
    /// From here on traces and saved states that are objects are found by the rows of this database. Nothing where they are files.
    pub fn find_traces_in(&self, store: &Store) {
        if let Some(objects) = &self.objects {
            objects.rows.get_or_init(|| store.downgrade());
        }
    }

    /// Runs calls of the object store for threads that may block; none where pictures are files.
    pub(crate) fn runtime(&self) -> Option<&Handle> {
        self.objects.as_ref().map(|objects| &objects.runtime)
    }

    /// Stores a trace or a saved state of an attempt and names it in place of the take's earlier one, which is deleted. Nothing
    /// where these are files.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the run is over or another process's; the object store or the database does not answer.
    pub(crate) async fn store_trace(
        &self,
        run: Run,
        key: &str,
        kind: TraceKind,
        step: u32,
        bytes: Bytes,
    ) -> Result<(), TraceUnstored> {
        let Some(objects) = &self.objects else { return Ok(()) };
        let of = objects.put_trace(key, run.attempt, kind, step, bytes).await?;
        if let Some(earlier) = objects.store()?.name_trace_of_run(run, of).await? {
            objects.delete(&earlier).await;
        }
        Ok(())
    }

    /// Stores the trace of a take whose rows are created afterwards. Nothing where traces are files.
    ///
    /// # Errors
    /// The object store or the database does not answer.
    pub async fn store_trace_of_new_take(&self, key: &str, step: u32, bytes: Bytes) -> Result<(), TraceUnstored> {
        let Some(objects) = &self.objects else { return Ok(()) };
        let of = objects.put_trace(key, 0, TraceKind::Trace, step, bytes).await?;
        Ok(objects.store()?.name_trace_of_new_take(of).await?)
    }

    /// Removes a take's trace or saved state that is an object. Nothing where these are files.
    ///
    /// # Errors
    /// The database does not answer. An object that cannot be deleted is found later: no row names it.
    pub(crate) async fn forget_trace_object(&self, key: &str, kind: TraceKind) -> Result<(), StoreError> {
        let Some(objects) = &self.objects else { return Ok(()) };
        if let Some(object) = objects.store()?.forget_trace_object(key, kind).await? {
            objects.delete(&object).await;
        }
        Ok(())
    }

    /// Opens a take's trace or saved state that is an object. Blocks.
    pub(super) fn open_trace_object(&self, key: &str, kind: TraceKind) -> Result<Trace<PictureBytes>, trace::Error> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no row names such an object");
        let objects = self.objects.as_ref().ok_or_else(missing)?;
        let found = objects.runtime.block_on(async {
            let of = objects.store()?.trace_object(key, kind).await?;
            let Some(TraceObject { object, .. }) = of else { return Ok(None) };
            let Some(etag) = etag_in(&object) else { return Ok(None) };
            Ok::<_, TraceUnstored>(Some(objects.pictures.get(&object, etag).await?))
        });
        Trace::read(match found.map_err(io::Error::from)?.ok_or_else(missing)? {
            Opened::File(file, _) => PictureBytes::File(file),
            Opened::Memory(bytes) => PictureBytes::Memory(Cursor::new(bytes.to_vec().into())),
        })
    }

    /// Removes the trace of a picture that forms no longer in this process, if it is stored as an object or lost.
    pub(crate) fn end_forming_trace(&self, key: &str) {
        if self.objects.is_some()
            && let Err(error) = self.remove_trace(key)
        {
            tracing::warn!(key, %error, "the trace of an attempt that has ended could not be removed");
        }
    }

    /// The bytes of the trace that this process has written of a picture that forms; none without one.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn read_forming_trace(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.trace_path(key)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => bytes.map(Some),
        }
    }
}

impl Objects {
    fn store(&self) -> Result<Store, StoreError> {
        self.rows.get().and_then(store::WeakStore::upgrade).ok_or(StoreError::Closed)
    }

    async fn put_trace(
        &self,
        key: &str,
        attempt: u32,
        kind: TraceKind,
        step: u32,
        bytes: Bytes,
    ) -> Result<TraceObject, ObjectError> {
        let (etag, length) = (etag_of(&bytes), bytes.len() as u64);
        let object = trace_object(key, attempt, &etag, kind.as_str());
        self.pictures.put(&object, &etag, bytes).await?;
        Ok(TraceObject { key: key.to_owned(), kind, object, bytes: length, step })
    }

    /// Deletes an object that no row names any more.
    async fn delete(&self, object: &str) {
        if let Err(error) = self.pictures.objects().delete(object).await {
            tracing::debug!(object, %error, "an object without a row could not be deleted; it is found later");
        }
    }
}

impl From<TraceUnstored> for io::Error {
    /// With the error as its cause: whether a later try may succeed is up to that.
    fn from(error: TraceUnstored) -> Self {
        match error {
            TraceUnstored::Object(error) => error.into(),
            TraceUnstored::Store(error) => {
                let kind =
                    if error.waits_for().is_some() { io::ErrorKind::HostUnreachable } else { io::ErrorKind::Other };
                Self::new(kind, error)
            }
        }
    }
}

/// Whether a trace is not missing but cannot be reached now.
pub(crate) fn is_out_of_reach(error: &trace::Error) -> bool {
    let trace::Error::Io(error) = error else { return false };
    let cause = error.get_ref();
    let of_objects = cause.and_then(|cause| cause.downcast_ref::<ObjectError>()).is_some_and(ObjectError::is_passing);
    of_objects || cause.is_some_and(|cause| cause.is::<StoreError>())
}
