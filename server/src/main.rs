//! `emberline`: reads the command line, runs one command, turns its error into one line and a status.

use clap::Parser;
use huge_pages::HugePages;
use server::{
    cli::{Cli, Command},
    commands::{doctor, generate, inspect},
    logging,
    one_line::one_line,
    serve,
};
use std::process::ExitCode;

/// Weights and activations come in blocks of megabytes.
#[global_allocator]
static ALLOCATOR: HugePages = HugePages::new();

fn main() -> ExitCode {
    quiet_vulkan_layer();
    // clap ends the process itself: status 2 for wrong arguments, 0 for --help and --version.
    let cli = Cli::parse();
    logging::init(cli.log_format, &cli.log);
    let result = match cli.command {
        Command::Serve(args) => serve::run(*args),
        Command::Generate(args) => generate::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Doctor(args) => doctor::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("emberline: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// Without a desktop session, Mesa's Vulkan layer for choosing a device looks for Wayland all the same, and
/// libwayland writes four lines about `XDG_RUNTIME_DIR` to standard error, in the middle of our log.
fn quiet_vulkan_layer() {
    let is_set = |name| std::env::var_os(name).is_some();
    if cfg!(target_os = "linux") && !is_set("XDG_RUNTIME_DIR") && !is_set("MESA_VK_DEVICE_SELECT") {
        // SAFETY: the first thing that the process does; no other thread reads the environment yet.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
