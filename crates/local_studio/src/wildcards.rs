//! The folder of wildcard files.

use prompt::template::Wildcards;
use std::{
    fs,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

/// Bytes of one wildcard file.
const FILE_BYTES: u64 = 8 * 1024 * 1024;
/// Names that are compared with an unknown one.
const NAMES: usize = 20_000;
/// Levels of folders below the wildcards' folder.
const DEPTH: usize = 8;
const EXTENSION: &str = "txt";

/// A folder of wildcard files: `__hair/color__` is a line of `hair/color.txt`. Files are read when they are used, so
/// changes need no restart.
#[derive(Clone, Debug)]
pub struct WildcardFolder(PathBuf);

impl WildcardFolder {
    /// The folder at `path`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::read_dir(path)?;
        Ok(Self(path.to_owned()))
    }

    fn add_names(&self, folder: &Path, depth: usize, names: &mut Vec<String>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            if names.len() == NAMES {
                return;
            }
            if path.is_dir() && depth < DEPTH {
                self.add_names(&path, depth + 1, names);
            } else if path.extension().is_some_and(|extension| extension == EXTENSION)
                && let Ok(inside) = path.strip_prefix(&self.0)
            {
                names.push(inside.with_extension("").to_string_lossy().replace('\\', "/"));
            }
        }
    }
}

impl Wildcards for WildcardFolder {
    fn lines(&self, name: &str) -> Result<Option<Vec<String>>, String> {
        let inside = PathBuf::from(format!("{name}.{EXTENSION}"));
        // A name leads to a file in the folder, never above it.
        if !inside.components().all(|component| matches!(component, Component::Normal(_))) {
            return Ok(None);
        }
        let fault = |error: io::Error| format!("has the wildcard `__{name}__`, whose file cannot be read: {error}");
        let file = match regular_file::open(&self.0.join(inside)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(error)),
        };
        let mut bytes = Vec::new();
        file.take(FILE_BYTES + 1).read_to_end(&mut bytes).map_err(fault)?;
        if bytes.len() as u64 > FILE_BYTES {
            return Err(format!("has the wildcard `__{name}__`, whose file is larger than 8 MiB"));
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        Ok(Some(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()))
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.add_names(&self.0, 0, &mut names);
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prompt::template::{Random, expand};

    #[test]
    fn lines_are_read_and_unknown_names_get_the_nearest() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("inside")).expect("a folder");
            fs::write(path, text).expect("written");
        };
        write("hair/color.txt", "\u{feff}# colours\n\n  red \n");
        write("person.txt", "a __hair/color__ head\r\n");
        write("inner/notes.md", "x");
        fs::write(folder.path().join("../outside.txt"), "secret").expect("written");
        let wildcards = WildcardFolder::open(folder.path()).expect("a folder");
        let expanded = |text: &str| expand(text, &mut Random::new(1), Some(&wildcards)).map(|text| text.into_owned());
        assert_eq!(expanded("{x|x}: __person__").as_deref(), Ok("x: a red head"));
        assert!(expanded("__hair/colour__").expect_err("unknown").ends_with("the nearest is `__hair/color__`"));
        assert!(expanded("__notes__").is_err());
        assert_eq!(wildcards.lines("../outside"), Ok(None));
        assert_eq!(wildcards.lines("/etc/hostname"), Ok(None));
        let mut names = wildcards.names();
        names.sort();
        assert_eq!(names, ["hair/color", "person"]);
        fs::remove_file(folder.path().join("../outside.txt")).expect("removed");
    }

    /// Opening a named pipe blocks until a program writes to it.
    #[cfg(unix)]
    #[test]
    fn a_pipe_is_no_wildcard_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.txt")).status().expect("mkfifo");
        assert!(made.success());
        let wildcards = WildcardFolder::open(folder.path()).expect("a folder");
        let error = wildcards.lines("pipe").expect_err("refused");
        assert!(error.ends_with("whose file cannot be read: is not a regular file"), "{error}");
    }
}
