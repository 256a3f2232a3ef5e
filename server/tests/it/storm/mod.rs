//! Kills, disk faults, floods and a soak test against the release binary. After each, [`crate::checker`] checks the
//! database and the media folder. The short form is part of the tests. `cargo xtask storm` runs the long form: 500
//! kills, 300,000 reads, 20 minutes of soak.

mod continued;
mod disk;
mod floods;
mod kills;
mod readers;
mod soak;

use crate::support::TestServer;
use std::{fs, time::Duration};

/// Amount of load of a run.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Minimum number of kills.
    pub kills: usize,
    /// Number of kills after each of which a picture is compared with that of an uninterrupted run.
    pub compared: usize,
    /// Minimum number of reads of pictures that are being generated.
    pub reads: usize,
    /// Number of incomplete requests.
    pub half_requests: usize,
    /// Number of connections that send a large body to a route with small bodies.
    pub large_bodies: usize,
    /// Duration of the mixed requests.
    pub soak: Duration,
}

impl Scale {
    const SHORT: Self =
        Self { kills: 8, compared: 25, reads: 200, half_requests: 300, large_bodies: 60, soak: Duration::from_secs(8) };
    const LONG: Self = Self {
        kills: 500,
        compared: 1_000,
        reads: 300_000,
        half_requests: 1_100,
        large_bodies: 900,
        soak: Duration::from_secs(20 * 60),
    };
}

mod short {
    use super::{Scale, continued, disk, floods, kills, soak};

    #[test]
    fn pictures_survive_kills() {
        kills::run(Scale::SHORT);
    }

    #[test]
    fn pictures_go_on_after_kills_as_if_nothing_had_happened() {
        continued::run(Scale::SHORT);
    }

    #[test]
    fn tasks_wait_for_a_full_disk() {
        disk::run();
    }

    #[test]
    fn floods_leave_the_server_usable_and_small() {
        floods::run(Scale::SHORT);
    }

    #[test]
    fn mixed_requests_leave_no_fault() {
        soak::run(Scale::SHORT);
    }
}

mod long {
    use super::{Scale, continued, disk, floods, kills, soak};

    #[test]
    #[ignore = "minutes to hours; run by `cargo xtask storm`"]
    fn kills() {
        kills::run(Scale::LONG);
    }

    #[test]
    #[ignore = "minutes to hours; run by `cargo xtask storm`"]
    fn continued() {
        continued::run(Scale::LONG);
    }

    #[test]
    #[ignore = "minutes to hours; run by `cargo xtask storm`"]
    fn disk() {
        disk::run();
    }

    #[test]
    #[ignore = "minutes to hours; run by `cargo xtask storm`"]
    fn floods() {
        floods::run(Scale::LONG);
    }

    #[test]
    #[ignore = "minutes to hours; run by `cargo xtask storm`"]
    fn soak() {
        soak::run(Scale::LONG);
    }
}

/// Resident memory of the server's process in bytes; `None` where the system does not report it.
fn resident_bytes(server: &TestServer) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Waits until the server's resident memory is below `limit` bytes. The panic message contains the last reading.
fn wait_for_memory_below(server: &TestServer, limit: u64, within: Duration) {
    let deadline = std::time::Instant::now() + within;
    while let Some(bytes) = resident_bytes(server).filter(|bytes| *bytes >= limit) {
        assert!(std::time::Instant::now() < deadline, "{} MB resident, limit {} MB", bytes >> 20, limit >> 20);
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A random number below `below`; differs between runs.
fn random(below: u64) -> u64 {
    rand::random::<u64>() % below.max(1)
}
