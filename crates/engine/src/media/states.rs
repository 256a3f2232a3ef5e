//! Saved states of takes that are not finished: `<key>.state` beside the traces, or an object; a trace with one state.

use super::{Media, PictureBytes};
use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};
use store::TraceKind;
use trace::{Header, State, Trace, Writer};

impl Media {
    /// The path of a take's saved state, whether or not it exists.
    ///
    /// # Errors
    /// `NotFound` for an invalid key.
    pub fn state_path(&self, key: &str) -> io::Result<PathBuf> {
        Ok(self.trace_path(key)?.with_extension("state"))
    }

    /// Replaces a take's saved state by that after `step` steps. With `is_synced` it is on the disk when this returns;
    /// otherwise a power failure may lose it.
    ///
    /// # Errors
    /// A full or read-only disk, for example. An earlier state stays.
    pub(crate) fn write_state(
        &self,
        key: &str,
        header: &Header,
        (step, state): (u32, &State),
        is_synced: bool,
    ) -> io::Result<()> {
        self.write_beside(key, &self.state_path(key)?, |file| {
            let synced = file.try_clone()?;
            Writer::start(file, header)?.state(step, state)?;
            if is_synced { synced.sync_all() } else { Ok(()) }
        })?;
        #[cfg(unix)]
        if is_synced {
            File::open(self.traces_folder())?.sync_all()?;
        }
        Ok(())
    }

    /// Opens a take's saved state. Blocks.
    ///
    /// # Errors
    /// As [`Media::open_trace`].
    pub(crate) fn open_state(&self, key: &str) -> Result<Trace<PictureBytes>, trace::Error> {
        if self.objects.is_some() {
            match self.open_trace_object(key, TraceKind::State) {
                // An earlier version has left a file.
                Err(trace::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                opened => return opened,
            }
        }
        Trace::read(PictureBytes::File(regular_file::open(&self.state_path(key)?)?))
    }

    /// Removes the file of a take's saved state. A missing one is not an error.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub(crate) fn remove_state(&self, key: &str) -> io::Result<()> {
        match fs::remove_file(self.state_path(key)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
