//! `cargo xtask`: starts the crate `xtask`.
//!
//! `xtask` has some two hundred dependencies and compiles for about two minutes in a new clone. This program has none, so
//! it can say at once what happens.

use std::{
    env, io,
    process::{Command, ExitCode},
};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let is_run = arguments.first().is_some_and(|first| first == "run");
    if is_run {
        eprintln!("cargo xtask run: builds Emberline and starts it, in 4 steps.");
    }
    if !is_compiled() {
        if is_run {
            eprintln!("In a new clone that takes about 25 minutes on two cores; later starts take seconds.");
        }
        eprintln!("Step 1: compiling the developer commands themselves, about 2 minutes.");
    }
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--package", "xtask", "--"]).args(arguments);
    match replace_by(&mut cargo) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cannot start cargo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether there is an `xtask` beside this program, so that little or nothing has to be compiled.
fn is_compiled() -> bool {
    let here = env::current_exe().ok();
    here.is_some_and(|here| here.with_file_name(format!("xtask{}", env::consts::EXE_SUFFIX)).is_file())
}

/// Becomes the other program, which then gets Ctrl+C by itself. Returns only if it cannot be started.
#[cfg(unix)]
fn replace_by(command: &mut Command) -> io::Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    Err(command.exec())
}

/// Runs the other program to its end.
#[cfg(not(unix))]
fn replace_by(command: &mut Command) -> io::Result<ExitCode> {
    let status = command.status()?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}
