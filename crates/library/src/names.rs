//! Names of files, and names that are like another.

use crate::describe::stem;
use std::collections::{HashMap, HashSet};

/// A unique name for each of these files of one kind: the file's name without its extension; where several have the same
/// one, the path inside the folder without the extension; where these are the same too, the path with a number.
pub(crate) fn names(files: &[(&str, bool)]) -> Vec<String> {
    let stems: Vec<String> = files.iter().map(|(file, is_folder)| stem(file, *is_folder)).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    stems.iter().for_each(|stem| *counts.entry(stem).or_default() += 1);
    // Imported pictures have this word in the model field.
    let mut taken = HashSet::from([protocol::IMPORTED.to_owned()]);
    let name = |(index, (file, is_folder)): (usize, &(&str, bool))| {
        let is_alone = counts.get(stems[index].as_str()) == Some(&1);
        let path = file.rsplit_once('.').filter(|(path, _)| !is_folder && !path.ends_with('/') && !path.is_empty());
        let path = path.map_or(*file, |(path, _)| path);
        let alone = is_alone.then(|| stems[index].clone());
        let numbered = (2..).map(|number| format!("{file} ({number})"));
        let mut wanted = alone.into_iter().chain([path.to_owned(), (*file).to_owned()]).chain(numbered);
        wanted.find(|name| taken.insert(name.clone())).unwrap_or_default()
    };
    files.iter().enumerate().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_files_own_unless_two_have_it() {
        let files = [("loras/a.safetensors", false), ("loras/x/b.safetensors", false), ("loras/y/b.sft", false)];
        assert_eq!(names(&files), ["a", "loras/x/b", "loras/y/b"]);
        let same = [("b.safetensors", false), ("b.sft", false), ("b.sft", false), ("b", true)];
        assert_eq!(names(&same), ["b", "b.sft", "b.sft (2)", "b (2)"]);
        assert_eq!(names(&[("imported.safetensors", false), ("v1.5", true)]), ["imported.safetensors", "v1.5"]);
    }
}
