//! The model on wgpu, on any available adapter, including a software one (Mesa's lavapipe). Without an adapter each
//! test prints that it was skipped.
//!
//! Kernels are tuned again in each process, and the tuning level must be set before the first kernel runs. Therefore
//! `on_an_adapter` runs all other tests in a separate process, one after the other.

mod kernels;
mod stages;
mod support;

use std::{env, fs, process::Command};
use support::{AUTOTUNE, CONFIG, LAUNCHES};

#[test]
fn on_an_adapter() {
    run("adapter::");
}

#[test]
#[ignore = "more than ten minutes on a software adapter: the kernels of every further shape are compiled there"]
fn slowly_on_an_adapter() {
    run("slow::");
}

/// Runs the ignored tests in the modules with this name.
fn run(names: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(CONFIG), format!("[profiling.logger]\nlevel = \"minimal\"\nfile = \"{LAUNCHES}\"\n"))
        .expect("writes");
    let this = env::current_exe().expect("this test's own path");
    let mut child = Command::new(this);
    child.args(["--ignored", "--nocapture", "--test-threads=1", names]);
    let status = child.env(AUTOTUNE, "minimal").current_dir(folder.path()).status().expect("runs again");
    assert!(status.success(), "a test on the adapter failed, see above");
}
