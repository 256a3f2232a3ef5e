//! `cargo xtask test`: everything that CI checks, cheapest first, each stage timed.

use crate::{browser, bundle, layers, machine, process, workspace::Workspace};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::time::{Duration, Instant};

/// A stage by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    Format,
    Layers,
    Clippy,
    Bundle,
    Tests,
    Browser,
}

/// A stage's name, what it checks, and how.
type Stage = (Name, &'static str, fn(&Workspace) -> Result<()>);

const STAGES: &[Stage] = &[
    (Name::Format, "rustfmt", format),
    (Name::Layers, "what crates and modules must not depend on", layers::check),
    (Name::Clippy, "clippy, warnings denied, for the host and for WASM", clippy),
    (Name::Bundle, "the WASM build", bundle::site),
    (Name::Tests, "unit and integration tests", tests),
    (Name::Browser, "Playwright in Chromium", browser::test),
];

/// Runs the stages in order (all, or the named ones) and prints how long each took. Stops at the first
/// that fails.
pub fn run(workspace: &Workspace, only: &[Name]) -> Result<()> {
    let mut took = Vec::new();
    for (name, what, stage) in STAGES.iter().filter(|(name, ..)| only.is_empty() || only.contains(name)) {
        println!("\n== {name:?}: {what}");
        let started = Instant::now();
        let result = stage(workspace).with_context(|| format!("stage {name:?} failed"));
        took.push((name, started.elapsed()));
        if result.is_err() {
            report(&took);
            return result;
        }
    }
    report(&took);
    println!("all stages passed");
    Ok(())
}

fn report(took: &[(&Name, Duration)]) {
    println!("\n== Durations");
    for (name, duration) in took {
        println!("{:8} {:7.1} s", format!("{name:?}"), duration.as_secs_f64());
    }
    println!("{:8} {:7.1} s", "in all", took.iter().map(|(_, duration)| duration.as_secs_f64()).sum::<f64>());
}

fn format(workspace: &Workspace) -> Result<()> {
    process::run(&mut workspace.cargo(&["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace) -> Result<()> {
    machine::wasm_target(workspace)?;
    let host = [
        "clippy",
        "--release",
        "--locked",
        "--workspace",
        "--exclude",
        "xtask",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    process::run(&mut workspace.cargo(&host))?;
    // In the profile in which `cargo xtask` itself was just built.
    process::run(&mut workspace.cargo(&[
        "clippy",
        "--locked",
        "--package",
        "xtask",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    for feature in ["split", "csr"] {
        let target = "wasm32-unknown-unknown";
        let wasm = ["clippy", "--profile", "wasm-release", "--locked", "--package", "frontend", "--target", target];
        process::run(workspace.cargo(&wasm).args(["--features", feature, "--", "-D", "warnings"]))?;
    }
    Ok(())
}

fn tests(workspace: &Workspace) -> Result<()> {
    machine::vulkan_driver()?;
    process::run(&mut workspace.cargo(&["test", "--release", "--locked", "--workspace", "--exclude", "xtask"]))?;
    process::run(&mut workspace.cargo(&["test", "--locked", "--package", "xtask"]))
}
