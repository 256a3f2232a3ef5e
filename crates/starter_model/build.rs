//! Packs the files of `weights/` and writes their table. To change the weights, replace the files in that folder;
//! nothing else is needed. A card that does not parse fails the build.

use flate2::{Compression, write::ZlibEncoder};
use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

#[path = "src/card.rs"]
mod card;

fn main() -> Result<(), Box<dyn Error>> {
    for input in ["build.rs", "src/card.rs", "card.json", "weights"] {
        println!("cargo::rerun-if-changed={input}");
    }
    serde_json::from_str::<card::Card>(&fs::read_to_string("card.json")?).map_err(|e| format!("card.json: {e}"))?;
    let mut files = Vec::new();
    collect(Path::new("weights"), &mut files)?;
    files.sort();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut table = String::from("&[\n");
    for (number, file) in files.iter().enumerate() {
        let bytes = fs::read(file)?;
        let packed = out.join(format!("{number}.zlib"));
        fs::write(&packed, deflated(&bytes)?)?;
        let parts: Vec<_> = file.iter().skip(1).map(|part| part.to_string_lossy()).collect();
        let (name, length) = (parts.join("/"), bytes.len());
        writeln!(table, "    Packed {{ name: {name:?}, length: {length}, deflated: include_bytes!({packed:?}) }},")?;
    }
    table.push(']');
    fs::write(out.join("files.rs"), table)?;
    Ok(())
}

fn deflated(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
