//! Exported files as objects of an object store. The server that makes one keeps its file; the others get it when a client asks
//! for it, and keep it until the export is gone.

use super::Exports;
use ::export::Error;
use ::pictures::{etag_in, etag_of_reader, export_object};
use protocol::{Export, ExportFormat, ExportId, Problem};
use std::{fs::File, io};

impl Exports {
    /// Stores the file of an export that is written, where it is an object for other servers.
    pub(super) async fn store_object(&self, id: ExportId, format: ExportFormat) -> Result<(), Error> {
        let Some(objects) = &self.objects else { return Ok(()) };
        let path = self.path(id, format);
        let read = path.clone();
        let etag = tokio::task::spawn_blocking(move || etag_of_reader(File::open(read)?)).await;
        let object = export_object(id.0, &etag.map_err(io::Error::other)??, format.extension());
        objects.put_file(&object, &path).await.map_err(io::Error::from)?;
        let stored = object.clone();
        let is_there = match self.lock().all.get_mut(&id) {
            Some(job) => {
                job.object = Some(object);
                true
            }
            None => false,
        };
        if !is_there {
            // It was deleted meanwhile.
            self.delete_object(Some(stored));
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    /// Gets the file of another server's export, unless it is here.
    pub(super) async fn fetch(&self, export: &Export, object: Option<&str>) -> Result<(), Problem> {
        let (Some(objects), Some(object)) = (&self.objects, object) else { return Ok(()) };
        let path = self.path(export.id, export.format);
        let _one = self.fetching.lock().await;
        if path.exists() {
            return Ok(());
        }
        let (etag, bytes) = (etag_in(object).unwrap_or_default(), export.bytes.unwrap_or_default());
        objects.get_file(object, etag, bytes, &path).await.map_err(|error| match error.is_passing() {
            true => Problem::Unavailable("the object store does not answer; try again".to_owned()),
            false => {
                tracing::error!(export.id = %export.id, %error, "the file of an export cannot be read");
                Problem::Fault("the file is missing or damaged in the object store; export it again".to_owned())
            }
        })
    }

    /// Deletes an object, if there is one. One that cannot be deleted is found later: no row names it.
    pub(super) fn delete_object(&self, object: Option<String>) {
        let (Some(objects), Some(object)) = (self.objects.clone(), object) else { return };
        tokio::spawn(async move {
            if let Err(error) = objects.delete(&object).await {
                tracing::debug!(object, %error, "the object of a deleted export could not be deleted; it is found later");
            }
        });
    }
}
