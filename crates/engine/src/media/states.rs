//! Saved states of takes that are not finished: `<key>.state` beside the traces, a trace with one state.

use super::Media;
use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};
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

    /// Opens a take's saved state.
    ///
    /// # Errors
    /// As [`Media::open_trace`].
    pub(crate) fn open_state(&self, key: &str) -> Result<Trace<File>, trace::Error> {
        Trace::read(regular_file::open(&self.state_path(key)?)?)
    }

    /// Removes a take's saved state. A missing file is not an error.
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
