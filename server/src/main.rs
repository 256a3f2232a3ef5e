//! `emberline`: parses the command line, runs one command, and prints its error in one line.

use clap::Parser;
use huge_pages::HugePages;
use server::{
    cli::{Cli, Command},
    commands::{doctor, generate, inspect, library, migrate, moving, upscale, workers},
    logging,
    one_line::one_line,
    serve,
};
use std::process::ExitCode;

/// Weights and activations are allocated in blocks of megabytes, which huge pages make faster.
#[global_allocator]
static ALLOCATOR: HugePages = HugePages::new();

fn main() -> ExitCode {
    quiet_vulkan_layer();
    // clap exits by itself: status 2 for wrong arguments, 0 for --help and --version.
    let cli = Cli::parse();
    logging::init(cli.log_format, &cli.log);
    let result = match cli.command {
        Command::Serve(args) => serve::run(*args),
        Command::Worker(args) => serve::run_worker(&args),
        Command::Workers(args) => workers::run(&args),
        Command::Move(args) => moving::run(&args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Upscale(args) => upscale::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Library(args) => library::run(&args),
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

/// Disables Mesa's device-select layer if there is no desktop session. It would try Wayland, and libwayland would print four
/// lines about `XDG_RUNTIME_DIR` into the log.
fn quiet_vulkan_layer() {
    let is_set = |name| std::env::var_os(name).is_some();
    if cfg!(target_os = "linux") && !is_set("XDG_RUNTIME_DIR") && !is_set("MESA_VK_DEVICE_SELECT") {
        // SAFETY: called first in `main`, when no other thread exists that could read the environment.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
