//! `cargo xtask layers`: what each crate and each module must not depend on.
//!
//! The tables to edit are [`crates::RULES`] (between crates), [`rules::RULES`] (between modules) and
//! [`rules::KNOWN_CYCLES`].

mod crates;
mod cycles;
mod modules;
mod paths;
mod rules;
mod sources;

use crate::workspace::Workspace;
use anyhow::{Result, bail};

/// Fails with every broken rule, between crates and between modules.
pub fn check(workspace: &Workspace) -> Result<()> {
    let metadata = workspace.metadata()?;
    let read = modules::read(&metadata)?;
    let mut faults = crates::faults(&metadata, crates::RULES)?;
    faults.extend(modules::faults(&read, rules::RULES, rules::KNOWN_CYCLES));
    if !faults.is_empty() {
        bail!("the layers do not hold:\n  {}", faults.join("\n  "));
    }
    println!("crates: {}", crates::summary());
    println!("modules: {}", modules::summary(&read));
    Ok(())
}
