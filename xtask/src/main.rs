//! Emberline's developer commands: `cargo xtask run`, `cargo xtask test`, `cargo xtask dist`.
//!
//! They need rustup, a C compiler, node and (on Debian and its kin) apt; what else is missing they install,
//! and say so.

mod browser;
mod bundle;
mod compress;
mod gpu_check;
mod layers;
mod machine;
mod process;
mod stages;
mod starter;
mod storm;
mod workspace;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::fs;
use workspace::Workspace;

/// Emberline's developer commands.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything in release and start the server on 127.0.0.1:3000.
    Run {
        /// Passed on to `emberline serve`, after `--`.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Check everything that CI checks, cheapest first.
    Test {
        /// Only these stages, by name.
        #[arg(long, value_delimiter = ',')]
        only: Vec<stages::Name>,
    },
    /// Build `dist/emberline`: one binary that holds all it needs, and remembers which kernels are the quickest on a GPU.
    Dist,
    /// Pack `dist/emberline-gpu-check-*.tar.gz`: binary, tiny model and the script that checks a machine's GPU.
    GpuCheck,
    /// Check who may depend on what.
    Layers,
    /// Kills, disk faults, floods and a soak against the release binary: about two hours.
    Storm,
    /// Measure the starter model again, or draw its sheets; minutes on two cores.
    Starter {
        /// Which.
        what: starter::What,
    },
    /// Build the front end's files into `<target>/site`; with --csr the client-side-rendered ones into `<target>/csr`.
    Bundle {
        /// What trunk would build: a page that needs no server-side rendering.
        #[arg(long)]
        csr: bool,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let workspace = Workspace::find()?;
    match cli.command {
        Command::Run { args } => run(&workspace, &args),
        Command::Test { only } => stages::run(&workspace, &only),
        Command::Dist => dist(&workspace),
        Command::GpuCheck => gpu_check::pack(&workspace),
        Command::Layers => layers::check(&workspace),
        Command::Storm => storm::run(&workspace),
        Command::Starter { what } => starter::run(&workspace, what),
        Command::Bundle { csr: false } => bundle::site(&workspace),
        Command::Bundle { csr: true } => bundle::csr(&workspace),
    }
}

fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    bundle::site(workspace)?;
    workspace.build_binary()?;
    // The server handles Ctrl+C itself; this process waits for it and passes its status on.
    let status = std::process::Command::new(workspace.binary())
        .arg("serve")
        .args(args)
        .status()
        .with_context(|| format!("cannot start {}", workspace.binary().display()))?;
    std::process::exit(status.code().unwrap_or(1));
}

fn dist(workspace: &Workspace) -> Result<()> {
    machine::libclang()?;
    bundle::site(workspace)?;
    workspace.build_binary_for_use()?;
    let folder = workspace.root.join("dist");
    fs::create_dir_all(&folder).context("cannot make dist/")?;
    let target = folder.join(workspace.binary().file_name().context("the binary has no name")?);
    // A running binary cannot be overwritten in place; renaming over it can be.
    let fresh = target.with_extension("new");
    let bytes = fs::copy(workspace.binary(), &fresh).context("cannot copy the binary into dist/")?;
    fs::rename(&fresh, &target).context("cannot put the binary into dist/")?;
    println!("{} ({:.1} MB)", target.display(), bytes as f64 / 1e6);
    Ok(())
}
