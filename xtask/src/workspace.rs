//! The workspace: paths and calls of cargo.

use crate::process;
use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

const BUILD: [&str; 8] = ["build", "--release", "--locked", "--workspace", "--exclude", "xtask", "--bin", "emberline"];

/// The workspace and its target folder (`CARGO_TARGET_DIR` is honoured).
pub struct Workspace {
    pub root: PathBuf,
    pub target: PathBuf,
}

impl Workspace {
    pub fn find() -> Result<Self> {
        // Read at run time: with a shared target folder the binary may come from another clone.
        let home = env::var("CARGO_MANIFEST_DIR").context("run it as `cargo xtask`")?;
        let root = Path::new(&home).parent().context("xtask has no parent folder")?.to_owned();
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .no_deps()
            .exec()
            .context("cannot read the workspace")?;
        Ok(Self { root, target: metadata.target_directory.into() })
    }

    /// The workspace's whole dependency graph.
    pub fn metadata(&self) -> Result<Metadata> {
        let locked = vec!["--locked".to_owned()];
        MetadataCommand::new()
            .manifest_path(self.root.join("Cargo.toml"))
            .other_options(locked)
            .exec()
            .context("cannot read the dependency graph")
    }

    /// The front end's files, which the crate `site` embeds.
    pub fn site(&self) -> PathBuf {
        self.target.join("site")
    }

    /// The client-side-rendered front end.
    pub fn csr(&self) -> PathBuf {
        self.target.join("csr")
    }

    /// The release binary.
    pub fn binary(&self) -> PathBuf {
        self.target.join("release").join(format!("emberline{}", env::consts::EXE_SUFFIX))
    }

    /// A cargo command in the workspace. `crates/site` reads the site's path from `EMBERLINE_SITE_DIR`.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.root).env("EMBERLINE_SITE_DIR", self.site());
        command
    }

    /// Builds the release binary that the integration tests use. Their dependencies enable features of others, so
    /// [`Workspace::build_binary`] compiles the store, the engine and the server again: six minutes.
    pub fn build_tested_binary(&self) -> Result<()> {
        let test = ["test", "--release", "--locked", "--workspace", "--exclude", "xtask", "--test", "it", "--no-run"];
        process::run(&mut self.cargo(&test))
    }

    /// Builds the release binary.
    pub fn build_binary(&self) -> Result<()> {
        process::run(&mut self.cargo(&BUILD))
    }

    /// Builds the release binary with kernel tuning kept on disk. This compiles burn a second time.
    pub fn build_binary_for_use(&self) -> Result<()> {
        process::run(self.cargo(&BUILD).args(["--features", "server/persistence"]))
    }
}
