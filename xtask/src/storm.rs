//! `cargo xtask storm`: the long form of the storm tests, one after the other, with their figures.

use crate::{process, workspace::Workspace};
use anyhow::Result;

/// What runs, and how large.
#[derive(clap::Args)]
pub struct Options {
    /// Only the storm of several machines.
    #[arg(long)]
    cluster: bool,
    /// Pictures that several machines make during the faults [default: 2000].
    #[arg(long)]
    pictures: Option<usize>,
    /// Faults of several machines [default: 300].
    #[arg(long)]
    faults: Option<usize>,
    /// The seed of the faults, to repeat a storm [default: random, printed].
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs the ignored tests of `server/tests/it/storm` and `server/tests/it/cluster`; the first violation ends it.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let test = ["test", "--release", "--locked", "--workspace", "--exclude", "xtask", "--test", "it"];
    let mut cargo = workspace.cargo(&test);
    let sizes = [("PICTURES", options.pictures), ("FAULTS", options.faults)];
    cargo.envs(sizes.iter().filter_map(|(name, size)| Some((format!("EMBERLINE_STORM_{name}"), (*size)?.to_string()))));
    cargo.envs(options.seed.map(|seed| ("EMBERLINE_STORM_SEED", seed.to_string())));
    let storms = if options.cluster { &["cluster::long"][..] } else { &["storm::long", "cluster::long"] };
    process::run(cargo.arg("--").args(storms).args(["--ignored", "--nocapture", "--test-threads=1"]))
}
