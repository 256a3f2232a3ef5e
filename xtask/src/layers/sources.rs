//! A crate's modules and which of them use which, from its source files.

use super::paths::{self, Used};
use anyhow::{Context, Result};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A module's names from the crate's root on; the root has none.
pub type ModulePath = Vec<String>;

/// A crate's modules and the references between them.
#[derive(Debug, Default)]
pub struct Crate {
    pub name: String,
    pub modules: BTreeSet<ModulePath>,
    pub references: Vec<Reference>,
}

/// A path in the code of `from` that leads to `to` or to an item of it.
#[derive(Debug)]
pub struct Reference {
    pub from: ModulePath,
    pub to: ModulePath,
    pub file: PathBuf,
    pub line: usize,
}

/// Rust files by their path below the crate's `src`.
pub type Files = BTreeMap<PathBuf, String>;

/// Reads every Rust file of a folder and the folders in it.
pub fn files(folder: &Path) -> Result<Files> {
    let mut found = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("cannot list {}", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                found.insert(path.strip_prefix(folder).unwrap_or(&path).to_owned(), text);
            }
        }
    }
    Ok(found)
}

impl Crate {
    /// Follows the `mod` items from `root` (`lib.rs` or `main.rs`) on. Fails if one has no file.
    pub fn read(name: &str, files: &Files, root: &str) -> Result<Self> {
        let mut found = Self { name: name.to_owned(), ..Self::default() };
        let mut used: Vec<(ModulePath, PathBuf, Used)> = Vec::new();
        let mut waiting = vec![(ModulePath::new(), PathBuf::from(root))];
        while let Some((module, path)) = waiting.pop() {
            let text = files.get(&path).with_context(|| format!("{name}: there is no {}", path.display()))?;
            let file = paths::read(text).with_context(|| format!("{name}: {}", path.display()))?;
            for declared in file.modules {
                let child = [module.clone(), declared.path].concat();
                if !declared.is_inline {
                    waiting.push((child.clone(), file_of(&child, files)));
                }
                found.modules.insert(child);
            }
            for one in file.used {
                used.push(([module.clone(), one.inside.clone()].concat(), path.clone(), one));
            }
        }
        let exports = found.exports(&used);
        for (from, file, one) in used {
            if let Some(to) = found.resolve(&from, &one.names, &exports) {
                found.references.push(Reference { from, to, file, line: one.line });
            }
        }
        Ok(found)
    }

    /// What the crate's root imports, by name: `crate::Name` leads to the module that has it, not to the root.
    fn exports(&self, used: &[(ModulePath, PathBuf, Used)]) -> BTreeMap<String, Vec<String>> {
        let at_root = used.iter().filter(|(module, ..)| module.is_empty());
        let named = at_root.filter_map(|(_, _, one)| {
            let path = self.absolute(&[], &one.names)?;
            Some((one.imported_as.clone()?, path))
        });
        named.collect()
    }

    /// The module that a path leads to; `None` where it leaves the crate.
    fn resolve(
        &self,
        from: &[String],
        names: &[String],
        exports: &BTreeMap<String, Vec<String>>,
    ) -> Option<ModulePath> {
        let mut path = self.absolute(from, names)?;
        if let Some(first) = path.first()
            && !self.modules.contains(&path[..1])
            && let Some(target) = exports.get(first)
        {
            path = [target, &path[1..]].concat();
        }
        while !path.is_empty() && !self.modules.contains(&path) {
            path.pop();
        }
        Some(path)
    }

    /// The path's names from the crate's root on.
    fn absolute(&self, from: &[String], names: &[String]) -> Option<Vec<String>> {
        let (mut base, mut rest) = match names.first()?.as_str() {
            "crate" => (Vec::new(), &names[1..]),
            "self" => (from.to_vec(), &names[1..]),
            "super" => (from.to_vec(), names),
            // Relative to this module, if it has such a child; else the name of another crate or of an import.
            child => {
                let base = [from, &[child.to_owned()]].concat();
                (self.modules.contains(&base).then_some(base)?, &names[1..])
            }
        };
        while rest.first().is_some_and(|name| name == "super") {
            base.pop()?;
            rest = &rest[1..];
        }
        Some([&base, rest].concat())
    }
}

/// `a/b.rs` where there is one, else `a/b/mod.rs`.
fn file_of(module: &[String], files: &Files) -> PathBuf {
    let path: PathBuf = module.iter().collect();
    let flat = path.with_extension("rs");
    if files.contains_key(&flat) { flat } else { path.join("mod.rs") }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A crate from its files' names and texts.
    pub fn sample(files: &[(&str, &str)]) -> Crate {
        let files: Files = files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        Crate::read("sample", &files, "lib.rs").expect("a crate")
    }

    fn references(sample: &Crate) -> Vec<String> {
        let shown = |reference: &Reference| {
            let (from, to) = (reference.from.join("::"), reference.to.join("::"));
            format!("{from} -> {to} ({}:{})", reference.file.display(), reference.line)
        };
        sample.references.iter().map(shown).collect()
    }

    #[test]
    fn a_path_leads_to_the_deepest_module_that_it_names() {
        let sample = sample(&[
            ("lib.rs", "mod a; mod b;"),
            ("a/mod.rs", "mod c; use c::D;"),
            ("a/c.rs", "use crate::b::E;\nfn f() { super::g(); super::super::b::h(); }"),
            ("b.rs", "use leptos::prelude::*; use crate::a::c::D;"),
        ]);
        let mut found = references(&sample);
        found.sort();
        let expected =
            ["a -> a::c (a/mod.rs:1)", "a::c -> a (a/c.rs:2)", "a::c -> b (a/c.rs:1)", "a::c -> b (a/c.rs:2)"];
        assert_eq!(found, [&expected[..], &["b -> a::c (b.rs:1)"]].concat());
    }

    #[test]
    fn a_name_that_the_root_exports_leads_to_its_module() {
        let sample = sample(&[
            ("lib.rs", "mod a; mod b; pub use a::{Thing as Renamed}; fn own() {}"),
            ("a.rs", ""),
            ("b.rs", "use crate::Renamed; use super::own;"),
        ]);
        let found = references(&sample);
        assert!(found.contains(&"b -> a (b.rs:1)".to_owned()), "{found:?}");
        assert!(found.contains(&"b ->  (b.rs:1)".to_owned()), "an item of the root itself: {found:?}");
    }

    #[test]
    fn a_module_without_a_file_is_an_error() {
        let files = Files::from([(PathBuf::from("lib.rs"), "mod gone;".to_owned())]);
        let error = Crate::read("sample", &files, "lib.rs").expect_err("no such file");
        assert_eq!(error.to_string(), "sample: there is no gone/mod.rs");
    }
}
