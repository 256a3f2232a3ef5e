//! `cargo xtask run`: builds everything in release and starts the server.

use crate::{bundle, workspace::Workspace};
use anyhow::{Context, Result};
use std::{
    process::{self, Command},
    time::Instant,
};

/// Builds the front end and the server, then runs the server to its end. Each step is announced with the time that it
/// takes on two cores. Step 1, compiling this program, is announced by `xtask_start`.
pub fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let is_first = !workspace.binary().is_file();
    step(2, "front end", if is_first { "about 4 minutes" } else { "seconds, about 1 minute after a change to it" });
    let started = Instant::now();
    bundle::site(workspace)?;
    eprintln!("the front end took {:.0} s", started.elapsed().as_secs_f64());

    step(3, "server", if is_first { "about 17 minutes" } else { "seconds, 1 to 3 minutes after a change to it" });
    let started = Instant::now();
    workspace.build_binary()?;
    eprintln!("the server took {:.0} s", started.elapsed().as_secs_f64());

    step(4, "start", "about 1 second; the server prints its address");
    // The server handles Ctrl+C itself; this process waits for it and passes its status on.
    let status = Command::new(workspace.binary())
        .arg("serve")
        .args(arguments)
        .status()
        .with_context(|| format!("cannot start {}", workspace.binary().display()))?;
    process::exit(status.code().unwrap_or(1));
}

fn step(number: usize, what: &str, duration: &str) {
    eprintln!("\nStep {number} of 4: {what} ({duration})");
}
