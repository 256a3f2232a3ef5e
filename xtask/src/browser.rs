//! The end-to-end tests: Playwright drives the release binary in a real Chromium.

use crate::{bundle, machine, process, workspace::Workspace};
use anyhow::Result;
use std::process::Command;

/// Runs them all; the client-side-rendered page's too.
pub fn test(workspace: &Workspace) -> Result<()> {
    let chromium = machine::chromium()?;
    machine::node_modules(workspace)?;
    let folder = workspace.root.join("end2end");
    process::run(Command::new("npx").args(["--no-install", "tsc"]).current_dir(&folder))?;
    bundle::csr(workspace)?;
    workspace.build_tested_binary()?;
    process::run(
        Command::new("npx")
            .args(["--no-install", "playwright", "test"])
            .current_dir(&folder)
            .env("EMBERLINE_CHROMIUM", chromium)
            .env("EMBERLINE_BIN", workspace.binary())
            .env("EMBERLINE_CSR_DIR", workspace.csr()),
    )
}
