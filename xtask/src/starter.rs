//! `cargo xtask starter`: the starter model's figures and sheets, made by its examples.

use crate::{process, workspace::Workspace};
use anyhow::Result;
use clap::ValueEnum;
use std::{env, process::Command};

/// What is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Draws the suite of prompts, judges it and writes `crates/starter_model/evaluation/emberline.json`.
    Evaluate,
    /// Draws `docs/images/starter.png` and `docs/images/previews.png`.
    Sheets,
    /// Prints the table in docs/performance.md of pictures that are finished in fewer steps.
    Finish,
}

/// Builds the example as the tests are built, so that nothing is compiled twice, and runs it.
pub fn run(workspace: &Workspace, what: What) -> Result<()> {
    let (example, argument) = match what {
        What::Evaluate => ("evaluate", "crates/starter_model/evaluation/emberline.json"),
        What::Sheets => ("sheets", "docs/images"),
        // Number of seeds.
        What::Finish => ("finish", "200"),
    };
    let build = ["build", "--release", "--locked", "--workspace", "--exclude", "xtask", "--example", example];
    process::run(&mut workspace.cargo(&build))?;
    let binary = workspace.target.join("release/examples").join(format!("{example}{}", env::consts::EXE_SUFFIX));
    process::run(Command::new(binary).arg(argument).current_dir(&workspace.root))
}
