//! Writes the table of the site's files: everything under `$EMBERLINE_SITE_DIR`, which `cargo xtask` sets after
//! building the bundle. Without the variable the table is empty, so that a plain `cargo build` works.

use std::{
    collections::hash_map::DefaultHasher,
    env,
    error::Error,
    fmt::Write,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=EMBERLINE_SITE_DIR");
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    if let Some(root) = env::var_os("EMBERLINE_SITE_DIR").map(PathBuf::from) {
        println!("cargo::rerun-if-changed={}", root.display());
        collect(&root, &root, &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for (url, file) in &files {
        let bytes = fs::read(file)?;
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        writeln!(
            table,
            "    Embedded {{ path: {url:?}, etag: \"\\\"{:016x}\\\"\", bytes: include_bytes!({file:?}) }},",
            hasher.finish()
        )?;
    }
    table.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("files.rs"), table)?;
    Ok(())
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> Result<(), Box<dyn Error>> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            let parts: Vec<_> = path.strip_prefix(root)?.iter().map(|part| part.to_string_lossy()).collect();
            files.push((format!("/{}", parts.join("/")), path));
        }
    }
    Ok(())
}
