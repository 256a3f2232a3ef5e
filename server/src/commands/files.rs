//! Output files of one run. Each is written completely or not at all; a failed run leaves none.

use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Checks that the result can be written. Called before sampling, which can take an hour.
pub fn check_writable(option: &str, path: &Path) -> Result<()> {
    if path.is_dir() {
        bail!("{option} {}: is a folder; name a file in it", path.display());
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        bail!("{option} {}: the folder {} does not exist", path.display(), folder.display());
    }
    // Permissions, quotas and read-only mounts only show in an actual write.
    let probe = beside(path, "probe");
    fs::write(&probe, []).with_context(|| format!("{option} {}: cannot write there", path.display()))?;
    fs::remove_file(&probe).with_context(|| format!("{option} {}: cannot remove a file there", path.display()))
}

/// Writes a temporary file in the same folder and renames it, so that `path` never holds a partial file.
pub fn write_whole(option: &str, path: &Path, bytes: &[u8]) -> Result<()> {
    let fresh = beside(path, "part");
    let written = fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        fs::remove_file(&fresh).ok();
    }
    written.with_context(|| format!("{option} {}: cannot write it", path.display()))
}

/// Folder of the previews. On drop, the files of a run that was not kept are deleted.
pub struct PreviewFolder {
    path: PathBuf,
    made: bool,
    written: Vec<PathBuf>,
    kept: bool,
}

impl PreviewFolder {
    /// Opens the folder and creates it if it is missing.
    pub fn open(path: &Path) -> Result<Self> {
        let made = !path.is_dir();
        fs::create_dir_all(path).with_context(|| format!("--preview-dir {}: cannot make it", path.display()))?;
        Ok(Self { path: path.to_owned(), made, written: Vec::new(), kept: false })
    }

    /// Writes a step's preview. Steps are counted from 1.
    pub fn write(&mut self, step: usize, png: &[u8]) -> Result<()> {
        let path = self.path.join(format!("step_{step:04}.png"));
        write_whole("--preview-dir", &path, png)?;
        self.written.push(path);
        Ok(())
    }

    /// Keeps the files. Called when the run has succeeded.
    pub fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for PreviewFolder {
    fn drop(&mut self) {
        if !self.kept {
            self.written.iter().for_each(|path| drop(fs::remove_file(path)));
            if self.made {
                fs::remove_dir(&self.path).ok();
            }
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.{what}", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn previews_of_a_run_that_failed_go_away_and_older_files_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("mine.txt"), "kept").expect("written");
        let mut previews = PreviewFolder::open(folder.path()).expect("opens");
        previews.write(1, b"png").expect("written");
        assert_eq!(names(folder.path()).len(), 2);
        drop(previews);
        assert_eq!(names(folder.path()), ["mine.txt"]);

        let made = folder.path().join("new");
        drop(PreviewFolder::open(&made).expect("opens"));
        assert!(!made.exists());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_with_its_option() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("nowhere/a.png");
        let error = check_writable("--out", &missing).expect_err("no folder").to_string();
        assert!(error.contains("--out") && error.contains("does not exist"), "{error}");
        let error = check_writable("--out", folder.path()).expect_err("a folder").to_string();
        assert!(error.contains("is a folder"), "{error}");
        check_writable("--out", &folder.path().join("a.png")).expect("writable");
        assert!(names(folder.path()).is_empty(), "nothing is left by the check");
    }
}
