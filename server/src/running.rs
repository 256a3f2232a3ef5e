//! Detects whether the last run of the server was stopped or crashed.

use anyhow::Context;
use engine::recovery::LastEnd;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file in the data folder that exists while a server runs. If it exists at a start, the last run crashed. It is empty, so
/// removing it works on a full disk, where a stop must not look like a crash.
#[derive(Debug)]
pub struct RunningMark(PathBuf);

impl RunningMark {
    /// How the last run ended.
    pub fn last_end(data_dir: &Path) -> LastEnd {
        match path_in(data_dir).exists() {
            true => LastEnd::Unclean,
            false => LastEnd::Stopped,
        }
    }

    /// Creates the file. Dropping the mark removes it.
    ///
    /// # Errors
    /// The file cannot be created. Names it.
    pub fn set(data_dir: &Path) -> anyhow::Result<Self> {
        let path = path_in(data_dir);
        fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for RunningMark {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot remove the mark of a running server; the next start takes this stop for a crash");
        }
    }
}

fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join("emberline.running")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_not_stopped_leaves_its_mark() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(RunningMark::last_end(folder.path()), LastEnd::Stopped);
        let mark = RunningMark::set(folder.path()).expect("set");
        assert_eq!(RunningMark::last_end(folder.path()), LastEnd::Unclean);
        drop(RunningMark::set(folder.path()).expect("set again over the one that a crash left"));
        assert_eq!(RunningMark::last_end(folder.path()), LastEnd::Stopped);
        std::mem::forget(mark);
    }
}
