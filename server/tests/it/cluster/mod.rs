//! Two servers behind a load balancer and three workers on one PostgreSQL. The short forms are part of the tests; `cargo xtask
//! storm` runs the long ones: 2,000 pictures with 300 faults, 500 pictures and 100,000 reads without any, and the table of figures.
//!
//! `EMBERLINE_STORM_PICTURES`, `EMBERLINE_STORM_FAULTS` and `EMBERLINE_STORM_SEED` change the long storm.

pub mod balancer;
mod faults;
mod figures;
mod machines;
mod outage;
mod pages;
mod pictures;
pub mod proxy;
mod readers;
mod sockets;
mod storm;
mod watcher;

use figures::Rounds;
use storm::Size;

/// Nothing fails: all pictures are those of one machine, no socket has to read everything again, and no read fails.
const CALM: Size = Size { pictures: 24, faults: 0, reads: 500, lease_s: 8, slow_ms: 150, seed: 1, has_objects: false };

fn option(name: &str) -> Option<u64> {
    std::env::var(format!("EMBERLINE_STORM_{name}")).ok()?.parse().ok()
}

#[test]
fn pictures_of_several_machines_are_those_of_one() {
    storm::run(CALM);
}

#[test]
fn faults_lose_nothing_and_show_nothing_wrong() {
    // In half of all runs finished pictures are objects.
    let seed: u64 = rand::random();
    let size = Size { pictures: 30, faults: 8, reads: 200, lease_s: 2, slow_ms: 100, ..CALM };
    storm::run(Size { seed, has_objects: seed.is_multiple_of(2), ..size });
}

mod long {
    use super::{CALM, Rounds, Size, figures, option, outage, storm};

    #[test]
    #[ignore = "minutes; run by `cargo xtask storm`"]
    fn calm() {
        storm::run(Size { pictures: 500, reads: 100_000, ..CALM });
    }

    #[test]
    #[ignore = "half an hour; run by `cargo xtask storm`"]
    fn machines() {
        let number = |name, default| option(name).map_or(default, |number| usize::try_from(number).expect("a number"));
        let (pictures, faults) = (number("PICTURES", 2000), number("FAULTS", 300));
        let seed = option("SEED").unwrap_or_else(rand::random);
        storm::run(Size { pictures, faults, reads: 10_000, lease_s: 3, seed, ..CALM });
    }

    #[test]
    #[ignore = "ten minutes; run by `cargo xtask storm`"]
    fn objects() {
        let seed = option("SEED").unwrap_or_else(rand::random);
        let size = Size { pictures: 500, faults: 100, reads: 10_000, ..CALM };
        storm::run(Size { lease_s: 3, seed, has_objects: true, ..size });
    }

    #[test]
    #[ignore = "minutes; run by `cargo xtask storm`"]
    fn objects_are_away() {
        outage::run();
    }

    #[test]
    #[ignore = "minutes; run by `cargo xtask storm`"]
    fn figures() {
        figures::run(Rounds { kills: 20, stops: 20, cancels: 50, is_away: true });
    }
}
