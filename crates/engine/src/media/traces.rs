//! The folder of traces, beside the pictures' folder. The trace of a take is `<key>.trace`, and the saved state of one that
//! is not finished `<key>.state`. Neither has a row: a take has what is there. Where pictures are objects the folder has only the
//! traces of pictures that this process makes.

use super::{Media, PictureBytes, UNFINISHED, files::private, is_key};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::SystemTime,
};
use store::TraceKind;
use trace::{Trace, Writer};

/// A trace's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFile {
    /// The take's key.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// When a step was last added.
    pub modified: SystemTime,
}

/// The files in the folder of traces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceListing {
    /// Traces.
    pub traces: Vec<TraceFile>,
    /// Saved states.
    pub states: Vec<TraceFile>,
    /// Temporary files of traces and states that were not finished.
    pub unfinished: Vec<PathBuf>,
}

impl Media {
    /// The folder of traces; created with the first one.
    pub fn traces_folder(&self) -> PathBuf {
        self.folder.with_file_name("traces")
    }

    /// The path of a take's trace, whether or not it exists.
    ///
    /// # Errors
    /// `NotFound` for an invalid key.
    pub fn trace_path(&self, key: &str) -> io::Result<PathBuf> {
        match is_key(key) {
            true => Ok(self.traces_folder().join(format!("{key}.trace"))),
            false => Err(io::Error::new(io::ErrorKind::NotFound, "no trace has such a key")),
        }
    }

    /// Starts a take's trace, replacing an earlier one. `begin` writes the first records, before the file gets its name.
    ///
    /// # Errors
    /// A full or read-only disk, for example. An earlier trace stays.
    pub fn start_trace(
        &self,
        key: &str,
        begin: impl FnOnce(File) -> io::Result<Writer<File>>,
    ) -> io::Result<Writer<File>> {
        self.write_beside(key, &self.trace_path(key)?, begin)
    }

    /// Writes a file under another name in this folder, then renames it to `path`.
    pub(crate) fn write_beside<T>(
        &self,
        key: &str,
        path: &Path,
        write: impl FnOnce(File) -> io::Result<T>,
    ) -> io::Result<T> {
        self.faults.get().map_or(Ok(()), |faults| faults.write_error())?;
        private_folder(&self.traces_folder())?;
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let fresh = self.traces_folder().join(format!("{key}.{number}{UNFINISHED}"));
        let written = private().create_new(true).open(&fresh).and_then(write);
        let done = written.and_then(|value| fs::rename(&fresh, path).map(|()| value));
        if done.is_err() {
            fs::remove_file(&fresh).ok();
        }
        done
    }

    /// Opens a take's trace: of a picture that forms in this process, what is written so far. Blocks.
    ///
    /// # Errors
    /// [`trace::Error::Io`] with `NotFound` where there is none; else a file, or an object, that cannot be read or is no trace.
    pub fn open_trace(&self, key: &str) -> Result<Trace<PictureBytes>, trace::Error> {
        let path = self.trace_path(key)?;
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => Trace::read(PictureBytes::File(File::open(&path)?)),
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file").into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.objects.is_some() => {
                self.open_trace_object(key, TraceKind::Trace)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the file of a take's trace. A missing one is not an error.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn remove_trace(&self, key: &str) -> io::Result<()> {
        match fs::remove_file(self.trace_path(key)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes the traces that an earlier process has left of pictures that formed, where finished ones are objects.
    pub(super) fn remove_forming_traces(&self) {
        let listing = self.list_traces().unwrap_or_default();
        let traces = listing.traces.iter().filter_map(|trace| self.trace_path(&trace.key).ok());
        traces.chain(listing.unfinished).for_each(|path| _ = fs::remove_file(path));
    }

    /// Lists the traces. Files with other names do not belong to Emberline and are not listed.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn list_traces(&self) -> io::Result<TraceListing> {
        let mut listing = TraceListing::default();
        let entries = match fs::read_dir(self.traces_folder()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some((key, rest)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
            if !is_key(key) {
                continue;
            }
            if let "trace" | "state" = rest {
                // It may have been removed since it was listed.
                let Ok(metadata) = entry.metadata() else { continue };
                let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                let list = if rest == "trace" { &mut listing.traces } else { &mut listing.states };
                list.push(TraceFile { key: key.to_owned(), bytes: metadata.len(), modified });
            } else if rest.strip_suffix(UNFINISHED).is_some_and(|n| n.bytes().all(|digit| digit.is_ascii_digit())) {
                listing.unfinished.push(entry.path());
            }
        }
        Ok(listing)
    }
}

fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
