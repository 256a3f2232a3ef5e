//! `cargo xtask storm`: the long form of the storm tests, one after the other, with their figures.

use crate::{process, workspace::Workspace};
use anyhow::Result;

/// Runs the ignored tests of `server/tests/it/storm`; the first violation ends it.
pub fn run(workspace: &Workspace) -> Result<()> {
    let test = ["test", "--release", "--locked", "--workspace", "--exclude", "xtask", "--test", "it", "storm::long"];
    process::run(workspace.cargo(&test).args(["--", "--ignored", "--nocapture", "--test-threads=1"]))
}
