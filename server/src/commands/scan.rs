//! Finds the checkpoints in a folder and gives each a unique name.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

/// Maximum subfolder depth of a checkpoint: `checkpoints/sdxl/anime/x.safetensors`.
const DEPTH: usize = 3;

/// Lower-case extensions of possible model files. `.ckpt` is listed so that it is refused with a reason.
const ENDINGS: [&str; 3] = ["safetensors", "sft", "ckpt"];

/// A file or folder that may be a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Unique name: the path relative to the scanned folder, with `/` separators and no extension.
    pub name: String,
    /// Path relative to the scanned folder, with the extension. Used in messages.
    pub file: String,
    /// Full path.
    pub path: PathBuf,
}

/// A file or folder that cannot be used as a model, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Refused {
    /// Path relative to the scanned folder.
    pub file: String,
    /// Reason in one line, without the path.
    pub reason: String,
}

impl Refused {
    /// From an error that starts with the path, as the crate `checkpoint` writes them.
    pub fn new(candidate: &Candidate, error: &anyhow::Error) -> Self {
        // The text already includes the causes.
        let text = error.to_string();
        let reason = text.strip_prefix(&candidate.path.display().to_string()).unwrap_or(&text);
        let reason = reason.trim_start_matches([':', ' ', '/', std::path::MAIN_SEPARATOR]);
        Self { file: candidate.file.clone(), reason: reason.to_owned() }
    }
}

/// Result of scanning a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Candidates in a stable order: files of the folder itself by name, then those of its subfolders.
    pub candidates: Vec<Candidate>,
    /// Files with a model's extension that cannot be opened.
    pub refused: Vec<Refused>,
}

/// Whether the path is a folder to scan, and not a checkpoint itself.
pub fn is_folder_of_models(path: &Path) -> bool {
    path.is_dir() && !is_diffusers(path)
}

/// Scans a folder and three levels of subfolders. Follows links, visits each folder once and skips hidden folders. A
/// diffusers folder is one candidate.
///
/// # Errors
/// The folder itself cannot be read. An unreadable subfolder is only listed as refused.
pub fn scan(folder: &Path) -> io::Result<Found> {
    let mut walk = Walk::default();
    walk.seen.insert(fs::canonicalize(folder)?);
    walk.folder(folder, "", 0)?;
    let Walk { mut entries, mut refused, .. } = walk;
    entries.sort();
    refused.sort_by(|a, b| a.file.cmp(&b.file));
    let names = names(&entries);
    let candidate = |(Entry { file, path, .. }, name)| Candidate { name, file, path };
    Ok(Found { candidates: entries.into_iter().zip(names).map(candidate).collect(), refused })
}

/// Requires `unet/config.json`: ComfyUI's models folder also has a `unet` folder.
fn is_diffusers(folder: &Path) -> bool {
    folder.join("model_index.json").exists() || folder.join("unet/config.json").exists()
}

#[derive(Default)]
struct Walk {
    entries: Vec<Entry>,
    refused: Vec<Refused>,
    /// Visited folders, with links resolved, so that a link to a parent does not loop.
    seen: HashSet<PathBuf>,
}

/// Sorted by depth, then by path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    depth: usize,
    file: String,
    path: PathBuf,
    is_folder: bool,
}

impl Walk {
    fn folder(&mut self, folder: &Path, relative: &str, depth: usize) -> io::Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (name, path) = (entry.file_name(), entry.path());
            let name = name.to_string_lossy();
            let file = if relative.is_empty() { name.to_string() } else { format!("{relative}/{name}") };
            let could_be = Path::new(&*name).extension().is_some_and(is_ending);
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => self.subfolder(path, file, depth),
                Ok(metadata) if metadata.is_file() && could_be => {
                    self.entries.push(Entry { depth, file, path, is_folder: false });
                }
                Ok(_) if could_be => self.refuse(file, "is not a regular file".to_owned()),
                Err(error) if could_be => {
                    let dangles = error.kind() == io::ErrorKind::NotFound;
                    self.refuse(file, if dangles { "is a link to nothing".to_owned() } else { error.to_string() });
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn subfolder(&mut self, path: PathBuf, file: String, depth: usize) {
        let hidden = file.rsplit('/').next().is_some_and(|name| name.starts_with('.'));
        if hidden || depth == DEPTH {
            return;
        }
        match fs::canonicalize(&path).map(|resolved| self.seen.insert(resolved)) {
            Ok(false) => {}
            Ok(true) if is_diffusers(&path) => self.entries.push(Entry { depth, file, path, is_folder: true }),
            Ok(true) => {
                if let Err(error) = self.folder(&path, &file, depth + 1) {
                    self.refuse(file, format!("cannot be looked through: {error}"));
                }
            }
            Err(error) => self.refuse(file, error.to_string()),
        }
    }

    fn refuse(&mut self, file: String, reason: String) {
        self.refused.push(Refused { file, reason });
    }
}

fn is_ending(ending: &std::ffi::OsStr) -> bool {
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// Unique names of the entries. A name depends only on its entry, unless two entries would share one: then the
/// `.safetensors` file keeps it, otherwise the folder, and the others get their full file name.
fn names(entries: &[Entry]) -> Vec<String> {
    let rank = |entry: &Entry| match entry {
        entry if entry.file.ends_with(".safetensors") && !entry.is_folder => 0,
        entry if entry.is_folder => 1,
        _ => 2,
    };
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|&index| rank(&entries[index]));
    // Imported pictures have this word in the model field.
    let mut taken = HashSet::from([protocol::IMPORTED.to_owned()]);
    let mut names = vec![String::new(); entries.len()];
    for index in order {
        let Entry { file, is_folder, .. } = &entries[index];
        let stem = file.rsplit_once('.').filter(|_| !is_folder).map_or(file.as_str(), |(stem, _)| stem);
        let whole = if *is_folder { format!("{file} (folder)") } else { file.clone() };
        let numbered = (2..).map(|number| format!("{whole} ({number})"));
        let mut wanted = [stem.to_owned(), whole.clone()].into_iter().chain(numbered);
        names[index] = wanted.find(|name| taken.insert(name.clone())).unwrap_or_default();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn of(files: &[&str]) -> Self {
            let tree = Self(tempfile::tempdir().expect("a folder"));
            for file in files {
                let path = tree.0.path().join(file);
                fs::create_dir_all(path.parent().expect("a folder")).expect("made");
                fs::write(path, "").expect("written");
            }
            tree
        }

        fn found(&self) -> Found {
            scan(self.0.path()).expect("it is read")
        }

        fn names(&self) -> Vec<String> {
            self.found().candidates.into_iter().map(|candidate| candidate.name).collect()
        }
    }

    #[test]
    fn endings_count_in_any_case_and_subfolders_three_deep() {
        let tree = Tree::of(&[
            "b.safetensors",
            "a.SafeTensors",
            "c.ckpt",
            "read me.txt",
            "sub/d.SAFETENSORS",
            "1/2/3/e.safetensors",
            "1/2/3/4/f.safetensors",
            ".hidden/g.safetensors",
            "pipe/model_index.json",
            "pipe/unet/x.safetensors",
            "unet/h.safetensors",
            "1/2/pipe/unet/config.json",
        ]);
        let expected = ["a", "b", "c", "pipe", "sub/d", "unet/h", "1/2/pipe", "1/2/3/e"].map(str::to_owned).to_vec();
        assert_eq!(tree.names(), expected);
        assert_eq!(tree.names(), expected, "the same every time");
    }

    #[test]
    fn no_two_have_one_name_and_who_has_it_does_not_depend_on_others() {
        let tree = Tree::of(&["x.safetensors", "x.SAFETENSORS", "x/model_index.json", "sub/x.safetensors"]);
        let names = tree.names();
        assert_eq!(names, ["x (folder)", "x.SAFETENSORS", "x", "sub/x"]);
        assert_eq!(Tree::of(&["x.SAFETENSORS", "sub/x.safetensors"]).names(), ["x", "sub/x"]);
        assert_eq!(Tree::of(&["imported.safetensors"]).names(), ["imported.safetensors"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_loops_are_not() {
        use std::os::unix::fs::symlink;
        let tree = Tree::of(&["real/a.safetensors"]);
        let root = tree.0.path();
        symlink(root, root.join("real/up")).expect("a link");
        symlink(root.join("real"), root.join("again")).expect("a link");
        symlink(root.join("nowhere"), root.join("gone.safetensors")).expect("a link");
        symlink(root.join("self.safetensors"), root.join("self.safetensors")).expect("a link");
        symlink(root.join("real/a.safetensors"), root.join("b.safetensors")).expect("a link");
        let found = tree.found();
        let names: Vec<_> = found.candidates.iter().map(|candidate| candidate.name.as_str()).collect();
        assert_eq!(names, ["b", "again/a"]);
        let refused: Vec<_> = found.refused.iter().map(|refused| refused.file.as_str()).collect();
        assert_eq!(refused, ["gone.safetensors", "self.safetensors"]);
        assert_eq!(found.refused[0].reason, "is a link to nothing");
    }
}
