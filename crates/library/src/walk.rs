//! Walks through the folders: which files there are, how large, how old, and the preview beside each.

use crate::kind;
use protocol::LibraryKind;
use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// Maximum subfolder depth.
const DEPTH: usize = 8;

/// Maximum number of files in the library. The walk ends there.
const MOST: usize = 50_000;

/// A file, or a diffusers folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Index of its folder.
    pub(crate) folder: usize,
    /// Path inside the folder, with `/` separators.
    pub(crate) file: String,
    pub(crate) path: PathBuf,
    pub(crate) is_folder: bool,
    pub(crate) bytes: u64,
    pub(crate) modified_ms: i64,
    /// By the names of its folders.
    pub(crate) kind: Option<LibraryKind>,
    /// The picture beside it.
    pub(crate) preview: Option<PathBuf>,
    /// Why it cannot be opened.
    pub(crate) problem: Option<String>,
}

/// Walks through all folders. Follows links, visits each folder once and skips hidden ones. Returns the files, and the
/// folders that cannot be read with the reason.
pub(crate) fn walk(folders: &[PathBuf]) -> (Vec<Found>, Vec<String>) {
    let mut walk = Walk::default();
    for (index, folder) in folders.iter().enumerate() {
        let of_root = folder.file_name().and_then(|name| kind::of_folder(&name.to_string_lossy()));
        let at = Place { folder: index, depth: 0, relative: String::new(), kind: of_root };
        match fs::canonicalize(folder) {
            Ok(resolved) => {
                if !walk.seen.insert(resolved) {
                    continue;
                }
                if let Err(error) = walk.folder(folder, &at) {
                    walk.problems.push(format!("{}: {error}", folder.display()));
                }
            }
            Err(error) => walk.problems.push(format!("{}: {error}", folder.display())),
        }
    }
    if walk.found.len() >= MOST {
        walk.problems.push(format!("only the first {MOST} files are listed"));
    }
    (walk.found, walk.problems)
}

#[derive(Default)]
struct Walk {
    found: Vec<Found>,
    problems: Vec<String>,
    /// Visited folders with links resolved, so that a link to a parent does not loop.
    seen: HashSet<PathBuf>,
}

struct Place {
    folder: usize,
    depth: usize,
    relative: String,
    kind: Option<LibraryKind>,
}

impl Place {
    fn file(&self, name: &str) -> String {
        if self.relative.is_empty() { name.to_owned() } else { format!("{}/{name}", self.relative) }
    }
}

impl Walk {
    fn folder(&mut self, folder: &Path, at: &Place) -> io::Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        let pictures = pictures(&entries);
        for entry in entries {
            let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
            if name.starts_with('.') || self.found.len() >= MOST {
                continue;
            }
            let extension = Path::new(&name).extension().unwrap_or_default().to_string_lossy().into_owned();
            let could_be = kind::is_model(&extension, at.kind.is_some());
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => self.subfolder(&path, &name, at, &metadata),
                Ok(metadata) if could_be && metadata.is_file() => {
                    let stem = Path::new(&name).file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
                    let preview = pictures.get(&stem).cloned();
                    self.add(at, &name, path, false, Some(&metadata), preview, None);
                }
                Ok(_) if could_be => self.refuse(at, &name, path, "is not a regular file".to_owned()),
                Err(error) if could_be => {
                    let dangles = error.kind() == io::ErrorKind::NotFound;
                    let why = if dangles { "is a link to nothing".to_owned() } else { error.to_string() };
                    self.refuse(at, &name, path, why);
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn subfolder(&mut self, path: &Path, name: &str, at: &Place, metadata: &fs::Metadata) {
        if at.depth == DEPTH {
            return;
        }
        match fs::canonicalize(path).map(|resolved| self.seen.insert(resolved)) {
            Ok(false) => {}
            Ok(true) if is_diffusers(path) => {
                let preview =
                    ["preview.png", "preview.jpg"].map(|name| path.join(name)).into_iter().find(|p| p.is_file());
                self.add(at, name, path.to_owned(), true, Some(metadata), preview, None);
            }
            Ok(true) => {
                let kind = kind::of_folder(name).or(at.kind);
                let below = Place { folder: at.folder, depth: at.depth + 1, relative: at.file(name), kind };
                if let Err(error) = self.folder(path, &below) {
                    self.problems.push(format!("{}: {error}", path.display()));
                }
            }
            Err(error) => self.problems.push(format!("{}: {error}", path.display())),
        }
    }

    fn refuse(&mut self, at: &Place, name: &str, path: PathBuf, problem: String) {
        self.add(at, name, path, false, None, None, Some(problem));
    }

    #[expect(clippy::too_many_arguments, reason = "one call for each kind of entry")]
    fn add(
        &mut self,
        at: &Place,
        name: &str,
        path: PathBuf,
        is_folder: bool,
        metadata: Option<&fs::Metadata>,
        preview: Option<PathBuf>,
        problem: Option<String>,
    ) {
        let (bytes, modified_ms) = match (is_folder, metadata) {
            (true, _) => folder_size(&path, 0),
            (false, Some(metadata)) => (metadata.len(), modified_ms(metadata)),
            (false, None) => (0, 0),
        };
        let file = at.file(name);
        self.found.push(Found {
            folder: at.folder,
            file,
            path,
            is_folder,
            bytes,
            modified_ms,
            kind: at.kind,
            preview,
            problem,
        });
    }
}

/// The pictures of a folder by the lower-case stem of the file that each belongs to: `x.preview.png` before `x.png`.
fn pictures(entries: &[fs::DirEntry]) -> HashMap<String, PathBuf> {
    let mut found: HashMap<String, (usize, PathBuf)> = HashMap::new();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().to_lowercase();
        let Some((stem, extension)) = name.rsplit_once('.') else { continue };
        let Some(rank) = ["png", "jpg", "jpeg", "webp"].iter().position(|known| *known == extension) else { continue };
        let (stem, rank) = match stem.strip_suffix(".preview") {
            Some(stem) => (stem, rank),
            None => (stem, rank + 4),
        };
        if found.get(stem).is_none_or(|(other, _)| rank < *other) {
            found.insert(stem.to_owned(), (rank, entry.path()));
        }
    }
    found.into_iter().map(|(stem, (_, path))| (stem, path)).collect()
}

/// Requires `unet/config.json`: ComfyUI's models folder also has a `unet` folder.
fn is_diffusers(folder: &Path) -> bool {
    folder.join("model_index.json").exists() || folder.join("unet/config.json").exists()
}

/// Bytes of the files in a diffusers folder, two levels deep, and the time of the newest.
fn folder_size(folder: &Path, depth: usize) -> (u64, i64) {
    let Ok(entries) = fs::read_dir(folder) else { return (0, 0) };
    entries.flatten().fold((0, 0), |(bytes, newest), entry| match fs::metadata(entry.path()) {
        Ok(metadata) if metadata.is_dir() && depth < 2 => {
            let (more, time) = folder_size(&entry.path(), depth + 1);
            (bytes.saturating_add(more), newest.max(time))
        }
        Ok(metadata) if metadata.is_file() => {
            (bytes.saturating_add(metadata.len()), newest.max(modified_ms(&metadata)))
        }
        Ok(_) | Err(_) => (bytes, newest),
    })
}

/// Time of the last change, milliseconds since 1970; 0 if the file system does not know it.
pub(crate) fn modified_ms(metadata: &fs::Metadata) -> i64 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, "x").expect("written");
        }
        root
    }

    fn files(root: &Path) -> Vec<String> {
        let mut files: Vec<_> = walk(&[root.to_owned()]).0.into_iter().map(|found| found.file).collect();
        files.sort();
        files
    }

    #[test]
    fn kinds_follow_the_folders_and_previews_the_files() {
        let root = tree(&[
            "checkpoints/sdxl/a.safetensors",
            "checkpoints/sdxl/a.jpg",
            "checkpoints/sdxl/a.preview.png",
            "Lora/B.SafeTensors",
            "Lora/b.webp",
            "embeddings/c.pt",
            "elsewhere/d.pt",
            "e.safetensors",
            ".hidden/f.safetensors",
            "pipe/model_index.json",
            "pipe/unet/x.safetensors",
        ]);
        let (mut found, problems) = walk(&[root.path().to_owned()]);
        found.sort_by(|a, b| a.file.cmp(&b.file));
        let seen: Vec<_> =
            found.iter().map(|it| (it.file.as_str(), it.kind, it.is_folder, it.preview.is_some())).collect();
        assert_eq!(
            seen,
            [
                ("Lora/B.SafeTensors", Some(LibraryKind::Lora), false, true),
                ("checkpoints/sdxl/a.safetensors", Some(LibraryKind::Checkpoint), false, true),
                ("e.safetensors", None, false, false),
                ("embeddings/c.pt", Some(LibraryKind::Embedding), false, false),
                ("pipe", None, true, false),
            ]
        );
        let preview = found[1].preview.as_ref().and_then(|path| path.file_name());
        assert_eq!(preview, Some("a.preview.png".as_ref()));
        assert_eq!((found[4].bytes, problems), (2, Vec::<String>::new()));
        // The same folder twice, or the folder of a kind alone.
        assert_eq!(walk(&[root.path().to_owned(), root.path().join("Lora")]).0.len(), 5);
        assert_eq!(walk(&[root.path().join("Lora")]).0[0].kind, Some(LibraryKind::Lora));
        assert_eq!(walk(&[root.path().join("nowhere")]).1.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_loops_are_not() {
        use std::os::unix::fs::symlink;
        let root = tree(&["loras/a.safetensors"]);
        let at = root.path();
        symlink(at, at.join("loras/up")).expect("a link");
        symlink(at.join("nowhere"), at.join("gone.safetensors")).expect("a link");
        symlink(at.join("self.safetensors"), at.join("self.safetensors")).expect("a link");
        symlink(at.join("loras/a.safetensors"), at.join("b.safetensors")).expect("a link");
        assert_eq!(files(at), ["b.safetensors", "gone.safetensors", "loras/a.safetensors", "self.safetensors"]);
        let refused: Vec<_> = walk(&[at.to_owned()]).0.into_iter().filter_map(|found| found.problem).collect();
        assert_eq!((refused.len(), refused[0].as_str()), (2, "is a link to nothing"));
    }
}
