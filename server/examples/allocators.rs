//! `emberline generate` with another allocator, for `beside_allocators.py`. The features `measure-mimalloc`,
//! `measure-jemalloc` and `measure-system` select it; without them it is `huge_pages`, as in the binary.

use anyhow::{Result, bail};
use clap::Parser;
use server::{
    cli::{Cli, Command},
    commands::generate,
    logging,
};

#[cfg(feature = "measure-mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(feature = "measure-jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[cfg(feature = "measure-system")]
#[global_allocator]
static ALLOCATOR: std::alloc::System = std::alloc::System;

#[cfg(not(any(feature = "measure-mimalloc", feature = "measure-jemalloc", feature = "measure-system")))]
#[global_allocator]
static ALLOCATOR: huge_pages::HugePages = huge_pages::HugePages::new();

fn main() -> Result<()> {
    let cli = Cli::parse();
    logging::init(cli.log_format, &cli.log);
    match cli.command {
        Command::Generate(args) => generate::run(&args),
        _ => bail!("only `generate` is measured"),
    }
}
