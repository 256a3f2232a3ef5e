//! Brotli and gzip versions of the front end's files, compressed at build time at the highest level.

use anyhow::{Context, Result};
use brotli::enc::BrotliEncoderParams;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// In bytes. Smaller files fit into one network packet without compression.
const WORTHWHILE_BYTES: usize = 1024;

/// Writes `<file>.br` and `<file>.gz` beside every text or WASM file in the folder.
pub fn folder(folder: &Path) -> Result<()> {
    for path in files(folder)? {
        let compressible = path.extension().is_some_and(|extension| {
            ["css", "html", "js", "json", "svg", "txt", "wasm"].iter().any(|e| extension == *e)
        });
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if compressible && bytes.len() >= WORTHWHILE_BYTES {
            write_beside(&path, "br", &brotli(&bytes)?)?;
            write_beside(&path, "gz", &gzip(&bytes)?)?;
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

fn write_beside(path: &Path, suffix: &str, bytes: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    fs::write(&name, bytes).with_context(|| format!("cannot write {}", Path::new(&name).display()))
}

/// Compresses with several distance settings and returns the smallest result: the best one depends on the file.
fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut smallest: Option<Vec<u8>> = None;
    for (distance_postfix_bits, num_direct_distance_codes) in [(0, 0), (0, 4), (1, 2)] {
        let mut parameters =
            BrotliEncoderParams { quality: 11, lgwin: 22, size_hint: bytes.len(), ..BrotliEncoderParams::default() };
        parameters.dist.distance_postfix_bits = distance_postfix_bits;
        parameters.dist.num_direct_distance_codes = num_direct_distance_codes;
        let mut out = Vec::new();
        brotli::BrotliCompress(&mut &bytes[..], &mut out, &parameters).context("brotli")?;
        if smallest.as_ref().is_none_or(|smallest| out.len() < smallest.len()) {
            smallest = Some(out);
        }
    }
    smallest.context("brotli")
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).context("gzip")?;
    encoder.finish().context("gzip")
}
