//! `cargo xtask gpu-check`: one archive with the binary, a tiny model and the script that checks a GPU. It needs no
//! network where it is unpacked.

use crate::{machine, workspace::Workspace};
use anyhow::{Context, Result, ensure};
use flate2::{Compression, write::GzEncoder};
use std::{env, fs, fs::File};

/// The limit of most mail and chat services.
const MAX_BYTES: u64 = 60_000_000;

/// The archive's files except the binary: the path in the archive and the path in the workspace.
const FILES: &[(&str, &str)] = &[
    ("README.md", "xtask/gpu_check/README.md"),
    ("gpu_check.py", "xtask/gpu_check/gpu_check.py"),
    ("random_model.py", "xtask/gpu_check/random_model.py"),
    ("with_pytorch.py", "xtask/gpu_check/with_pytorch.py"),
    ("data/merges.txt", "crates/sdxl/assets/merges.txt"),
    ("data/NOTICE.md", "crates/sdxl/assets/NOTICE.md"),
    ("data/sdxl_names.txt", "crates/checkpoint/tests/fixtures/sdxl_names.txt"),
    ("data/sdxl_text_encoder_config.json", "crates/checkpoint/tests/fixtures/sdxl_text_encoder_config.json"),
    ("data/sdxl_text_encoder_2_config.json", "crates/checkpoint/tests/fixtures/sdxl_text_encoder_2_config.json"),
    ("data/sdxl_unet_config.json", "crates/checkpoint/tests/fixtures/sdxl_unet_config.json"),
    ("data/sdxl_vae_config.json", "crates/checkpoint/tests/fixtures/sdxl_vae_config.json"),
];

const TINY: &str = "crates/sdxl/tests/fixtures/tiny/diffusers";

/// Builds the binary as `dist` does, so that tuned kernels are kept between processes, and packs it.
///
/// The front end is not built: the script uses the API alone.
pub fn pack(workspace: &Workspace) -> Result<()> {
    machine::libclang()?;
    workspace.build_binary_for_use()?;
    let folder = workspace.root.join("dist");
    fs::create_dir_all(&folder).context("cannot make dist/")?;
    let path = folder.join(format!("emberline-gpu-check-{}-{}.tar.gz", env::consts::OS, env::consts::ARCH));
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::best()));
    let place = |name: &str| format!("emberline-gpu-check/{name}");
    let binary = format!("emberline{}", env::consts::EXE_SUFFIX);
    archive.append_path_with_name(workspace.binary(), place(&binary)).context("cannot pack the binary")?;
    for (name, source) in FILES {
        let source = workspace.root.join(source);
        archive
            .append_path_with_name(&source, place(name))
            .with_context(|| format!("cannot pack {}", source.display()))?;
    }
    archive.append_dir_all(place("tiny"), workspace.root.join(TINY)).context("cannot pack the tiny model")?;
    archive.into_inner().and_then(GzEncoder::finish).context("cannot finish the archive")?;
    let bytes = fs::metadata(&path).context("the archive is gone")?.len();
    println!("{} ({:.1} MB)", path.display(), bytes as f64 / 1e6);
    ensure!(bytes < MAX_BYTES, "the archive has {bytes} bytes; at most {MAX_BYTES} are allowed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_packed_file_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        for (_, source) in FILES {
            assert!(root.join(source).is_file(), "{source}");
        }
        assert!(root.join(TINY).join("model_index.json").is_file());
    }
}
