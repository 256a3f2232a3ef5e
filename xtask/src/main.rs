//! Emberline's developer commands: `cargo xtask run`, `cargo xtask test`, `cargo xtask dist`.
//!
//! They need rustup, a C compiler, Node.js and, on Debian and systems like it, apt. They install what else is missing,
//! and print what they install.

mod browser;
mod bundle;
mod compress;
mod gpu_check;
mod layers;
mod machine;
mod process;
mod run;
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
    /// Build `dist/emberline`: one self-contained binary, which remembers the fastest kernels of a GPU between starts.
    Dist,
    /// Pack `dist/emberline-gpu-check-*.tar.gz`: binary, tiny model and the script that checks a machine's GPU.
    GpuCheck,
    /// Check what each crate and each module must not depend on, and that no modules form a cycle.
    Layers,
    /// Kills, disk faults, floods and a soak test against the release binary, then faults of several machines: about an hour and a
    /// half on two cores.
    Storm(storm::Options),
    /// Measure the starter model again, or draw its sheets; minutes on two cores.
    Starter {
        /// What to make.
        what: starter::What,
    },
    /// Build the front end's files into `<target>/site`; with --csr the client-side-rendered ones into `<target>/csr`.
    Bundle {
        /// The page without server-side rendering, as trunk builds it.
        #[arg(long)]
        csr: bool,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let workspace = Workspace::find()?;
    match cli.command {
        Command::Run { args } => run::run(&workspace, &args),
        Command::Test { only } => stages::run(&workspace, &only),
        Command::Dist => dist(&workspace),
        Command::GpuCheck => gpu_check::pack(&workspace),
        Command::Layers => layers::check(&workspace),
        Command::Storm(options) => storm::run(&workspace, &options),
        Command::Starter { what } => starter::run(&workspace, what),
        Command::Bundle { csr: false } => bundle::site(&workspace),
        Command::Bundle { csr: true } => bundle::csr(&workspace),
    }
}

fn dist(workspace: &Workspace) -> Result<()> {
    machine::libclang()?;
    bundle::site(workspace)?;
    workspace.build_binary_for_use()?;
    let folder = workspace.root.join("dist");
    fs::create_dir_all(&folder).context("cannot make dist/")?;
    let target = folder.join(workspace.binary().file_name().context("the binary has no name")?);
    // A running binary cannot be overwritten; a rename can replace it.
    let fresh = target.with_extension("new");
    let bytes = fs::copy(workspace.binary(), &fresh).context("cannot copy the binary into dist/")?;
    fs::rename(&fresh, &target).context("cannot rename the binary in dist/")?;
    println!("{} ({:.1} MB)", target.display(), bytes as f64 / 1e6);
    Ok(())
}
