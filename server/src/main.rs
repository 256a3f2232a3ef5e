//! `emberline`: reads the command line, runs one command, turns its error into one line and a status.

use clap::Parser;
use server::{
    cli::{Cli, Command},
    commands::{doctor, generate, inspect},
    logging, serve,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    // clap ends the process itself: status 2 for wrong arguments, 0 for --help and --version.
    let cli = Cli::parse();
    logging::init(cli.log_format, &cli.log);
    let result = match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Generate(args) => generate::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Doctor(args) => doctor::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain on one line: what was being done, then why it failed.
            eprintln!("emberline: {error:#}");
            ExitCode::FAILURE
        }
    }
}
